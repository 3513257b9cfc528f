#include "tests/dns/fake_upstream.hpp"

#include "dns/address_name.hpp"

#include <poll.h>
#include <sys/eventfd.h>

#include <gtest/gtest.h>

namespace dns::testing {

namespace {

void put_record(Writer& writer, Type type, std::uint32_t ttl, Bytes data) {
  writer.u16(0xc00c);
  writer.u16(static_cast<std::uint16_t>(type));
  writer.u16(kClassIn);
  writer.u32(ttl);
  writer.u16(static_cast<std::uint16_t>(data.size()));
  writer.bytes(data);
}

}  // namespace

FakeUpstream::FakeUpstream(Script script) : script_{std::move(script)} {
  const proxy::config::SocketAddress any{IpAddress::loopback(Family::v4), {0}};
  while (true) {  // until the kernel's choice for UDP is free for TCP, too
    auto bound = serve::bind_udp(any);
    udp_ = std::move(*bound);
    address_ = *serve::bound_address(udp_.get());
    tcp_.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    serve::KernelAddress kernel;
    const auto size = serve::kernel_address(address_, kernel);
    if (bind(tcp_.get(), &kernel.any, size) == 0 && listen(tcp_.get(), 16) == 0) break;
  }
  wake_.reset(eventfd(0, EFD_CLOEXEC));
  thread_ = std::thread{[this] { run(); }};
}

FakeUpstream::~FakeUpstream() {
  release();
  const std::uint64_t one = 1;
  (void)!write(wake_.get(), &one, sizeof one);
  thread_.join();
  for (auto& connection : connections_) connection.join();
}

int FakeUpstream::asked(const std::string& name, Type type) const {
  const std::lock_guard lock{mutex_};
  const auto found = asked_.find({name, type});
  return found == asked_.end() ? 0 : found->second;
}
int FakeUpstream::asked_by_tcp() const {
  const std::lock_guard lock{mutex_};
  return tcp_count_;
}
void FakeUpstream::hold() {
  const std::lock_guard lock{mutex_};
  held_ = true;
}
void FakeUpstream::release() {
  const std::lock_guard lock{mutex_};
  held_ = false;
  changed_.notify_all();
}
void FakeUpstream::wait_for(const std::string& name, int count) const {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [&] {
    const auto found = asked_.find({name, Type::a});
    return found != asked_.end() && found->second >= count;
  });
}

void FakeUpstream::run() {
  std::vector<std::thread> answers;
  std::array<pollfd, 3> waiting{
      {{udp_.get(), POLLIN, 0}, {tcp_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
  while (poll(waiting.data(), waiting.size(), -1) > 0 && waiting[2].revents == 0) {
    if (waiting[1].revents != 0) {
      const int fd = accept4(tcp_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd >= 0) connections_.emplace_back([this, fd] { serve_tcp(fd); });
    }
    if (waiting[0].revents == 0) continue;
    std::vector<std::uint8_t> query(4096);
    serve::KernelAddress client{};
    socklen_t size = sizeof client;
    const auto got = recvfrom(udp_.get(), query.data(), query.size(), 0, &client.any, &size);
    if (got < 0) continue;
    query.resize(static_cast<std::size_t>(got));
    answers.emplace_back([this, query = std::move(query), client, size] {
      const auto question = decode_message(query);
      const auto wrong =
          question ? script_(question->questions.at(0).name, question->questions.at(0).type)
                   : Reply{};
      auto reply = answer(query, false);
      if (!reply) return;
      if (wrong.wrong_id) {
        auto forged = *reply;
        Writer{forged}.patch_u16(0, static_cast<std::uint16_t>(Reader{query}.u16() + 1));
        (void)sendto(udp_.get(), forged.data(), forged.size(), 0, &client.any, size);
      }
      (void)sendto(udp_.get(), reply->data(), reply->size(), 0, &client.any, size);
    });
  }
  for (auto& thread : answers) thread.join();
}

void FakeUpstream::serve_tcp(int raw) {
  const proxy::UniqueFd fd{raw};
  while (true) {
    std::array<pollfd, 2> waiting{{{fd.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
    if (poll(waiting.data(), waiting.size(), -1) <= 0 || waiting[1].revents != 0) return;
    std::array<std::uint8_t, 2> prefix{};
    if (recv(fd.get(), prefix.data(), 2, MSG_WAITALL) != 2) return;
    std::vector<std::uint8_t> query(std::size_t{prefix[0]} << 8 | prefix[1]);
    if (recv(fd.get(), query.data(), query.size(), MSG_WAITALL) !=
        static_cast<ssize_t>(query.size())) {
      return;
    }
    const auto reply = answer(query, true);
    if (!reply) continue;
    std::vector<std::uint8_t> framed{static_cast<std::uint8_t>(reply->size() >> 8),
                                     static_cast<std::uint8_t>(reply->size())};
    framed.insert(framed.end(), reply->begin(), reply->end());
    (void)send(fd.get(), framed.data(), framed.size(), MSG_NOSIGNAL);
  }
}

std::optional<std::vector<std::uint8_t>> FakeUpstream::answer(Bytes bytes, bool tcp) {
  Query query;
  if (parse_query(bytes, query) != QueryVerdict::ok) return std::nullopt;
  const auto name = query.name.text();
  const auto script = script_(name, query.type);
  {
    std::unique_lock lock{mutex_};
    ++asked_[{name, query.type}];
    if (tcp) ++tcp_count_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !held_; });
  }
  if (script.silent) return std::nullopt;
  std::vector<std::uint8_t> reply(kMaxMessage);
  Writer writer{reply};
  const bool truncated = tcp ? script.truncate_tcp : script.truncate_udp;
  const bool edns_error = script.edns_is_an_error && query.edns.has_value();
  const auto rcode = edns_error ? Rcode::format_error : script.rcode;
  const std::size_t answers =
      truncated || edns_error || query.type != Type::a ? 0 : script.a.size();
  const bool denies = answers == 0 && !truncated && !edns_error &&
                      (rcode == Rcode::no_error || rcode == Rcode::name_error);
  writer.u16(query.id);
  writer.u16(static_cast<std::uint16_t>(0x8180 | (truncated ? flag::kTruncated : 0) |
                                        static_cast<std::uint16_t>(rcode)));
  writer.u16(1);
  writer.u16(static_cast<std::uint16_t>(answers));
  writer.u16(denies ? 1 : 0);
  writer.u16(query.edns && !edns_error ? 1 : 0);
  writer.bytes(query.question);
  for (std::size_t i = 0; i < answers; ++i) {
    put_record(writer, Type::a, script.ttl, wire_bytes(*proxy::parse_ip(script.a[i])));
  }
  if (denies) {
    std::array<std::uint8_t, 22> soa{};
    Writer{MutableBytes{soa}.subspan(18)}.u32(script.denial_ttl);
    put_record(writer, Type::soa, script.denial_ttl, soa);
  }
  if (query.edns && !edns_error) {
    const std::array<std::uint8_t, 11> opt{0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 0};
    writer.bytes(Bytes{opt});
  }
  reply.resize(writer.position());
  return reply;
}

}  // namespace dns::testing
