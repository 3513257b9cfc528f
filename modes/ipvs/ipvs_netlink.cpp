#include "modes/ipvs/ipvs_netlink.hpp"

#include "modes/ipvs/ipvs_messages.hpp"

#include <netlink/errno.h>
#include <netlink/genl/ctrl.h>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <linux/ip_vs.h>
#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>

namespace modes::ipvs {
namespace {

// Steps in one datagram: some 100 kB, and some milliseconds of the kernel's time.
constexpr std::size_t kStepsAtOnce = 512;
// Virtual servers that are read between two turns of the loop.
constexpr std::size_t kReadAtOnce = 64;

constexpr const char* kNoIpvs =
    "this kernel has no IPVS: its module ip_vs is not there and cannot be loaded "
    "(modprobe ip_vs tells why)";

const char* verb(const Step& step) {
  struct Verb {
    const char* operator()(const AddVirtualServer&) const { return "add the virtual server "; }
    const char* operator()(const ChangeVirtualServer&) const {
      return "change the virtual server ";
    }
    const char* operator()(const RemoveVirtualServer&) const {
      return "remove the virtual server ";
    }
    const char* operator()(const AddRealServer&) const { return "add a real server to "; }
    const char* operator()(const RestoreRealServer&) const { return "restore a real server of "; }
    const char* operator()(const DrainRealServer&) const { return "drain a real server of "; }
    const char* operator()(const RemoveRealServer&) const { return "remove a real server of "; }
  };
  return std::visit(Verb{}, step);
}

}  // namespace

Statistics& Statistics::operator+=(const Statistics& other) {
  connections += other.connections;
  packets_in += other.packets_in;
  packets_out += other.packets_out;
  bytes_in += other.bytes_in;
  bytes_out += other.bytes_out;
  return *this;
}

VirtualServer ObservedVirtualServer::server() const {
  VirtualServer out{scheduler, persistence, {}};
  out.real_servers.reserve(real_servers.size());
  for (const auto& real : real_servers) out.real_servers.push_back(real.server);
  return out;
}

Result<std::unique_ptr<IpvsNetlink>> IpvsNetlink::open() {
  auto socket = LibnlSocket::open(NETLINK_GENERIC);
  if (!socket) return socket.error();
  return std::unique_ptr<IpvsNetlink>{new IpvsNetlink{std::move(*socket)}};
}

Result<void> IpvsNetlink::find_family() {
  // Asked for on a socket of its own: libnl counts the sequence numbers there. The kernel loads the
  // module that has this family's name as an alias.
  auto socket = LibnlSocket::open(NETLINK_GENERIC);
  if (!socket) return socket.error();
  const int family = genl_ctrl_resolve(socket->get(), IPVS_GENL_NAME);
  family_ = std::max(family, 0);
  if (family < 0) return libnl_error(family, kNoIpvs);
  return {};
}

Result<std::vector<ObservedRealServer>> IpvsNetlink::real_servers(const VirtualServerKey& key) {
  if (family_ == 0) {
    if (auto found = find_family(); !found) return found.error();
  }
  request_.clear();
  encode_list_real_servers(key, family_, socket_.take_sequence(), request_);
  std::vector<ObservedRealServer> out;
  const auto listed = socket_.dump(request_, [&](nlmsghdr* message) {
    if (auto server = parse_real_server(key.address.family(), message)) {
      out.push_back(std::move(*server));
    }
  });
  if (!listed) return within("list the real servers of " + key.text(), listed.error());
  std::ranges::sort(out, {}, [](const auto& real) { return real.server.endpoint; });
  return out;
}

Result<std::optional<ObservedVirtualServer>> IpvsNetlink::look(const VirtualServerKey& key) {
  if (family_ == 0) {
    if (auto found = find_family(); !found) return found.error();
  }
  request_.clear();
  encode_get_server(key, family_, socket_.take_sequence(), request_);
  std::optional<ObservedVirtualServer> out;
  const auto listed = socket_.dump(request_, [&](nlmsghdr* message) {
    if (auto server = parse_server(message)) out = std::move(server->second);
  });
  if (!listed && listed.error().code == std::errc::no_such_process) return out;
  if (!listed) return within("look at " + key.text(), listed.error());
  if (!out) return out;
  auto real = real_servers(key);
  if (!real) return real.error();
  out->real_servers = std::move(*real);
  return out;
}

Awaitable<Result<Observed>> IpvsNetlink::observe() {
  // The number of the family may be another since the module was loaded anew.
  if (auto found = find_family(); !found) co_return found.error();
  Observed all;
  request_.clear();
  encode_list_servers(family_, socket_.take_sequence(), request_);
  const auto listed = socket_.dump(request_, [&](nlmsghdr* message) {
    if (auto server = parse_server(message)) all.insert(std::move(*server));
  });
  if (!listed) co_return within("list the virtual servers", listed.error());
  std::size_t count = 0;
  for (auto& [key, server] : all) {
    auto real = real_servers(key);
    if (!real) co_return real.error();
    server.real_servers = std::move(*real);
    if (++count % kReadAtOnce == 0) co_await boost::asio::post(boost::asio::use_awaitable);
  }
  co_return all;
}

Result<std::vector<RefusedStep>> IpvsNetlink::apply(std::span<const Step> steps) {
  std::vector<RefusedStep> out;
  if (family_ == 0) {
    if (auto found = find_family(); !found) return found.error();
  }
  for (std::size_t done = 0; done < steps.size(); done += kStepsAtOnce) {
    const auto part = steps.subspan(done, std::min(kStepsAtOnce, steps.size() - done));
    request_.clear();
    const auto first = socket_.take_sequence(part.size());
    auto sequence = first;
    for (const auto& step : part) {
      encode_step(step, family_, sequence++, &step == &part.back() ? NLM_F_ACK : 0, request_);
    }
    auto refused = socket_.transact(request_, first, part.size());
    if (!refused) return within("change virtual servers", refused.error());
    for (auto& [index, error, text] : *refused) {
      auto what = verb(part[index]) + key_of(part[index]).text();
      if (!text.empty()) what += ": " + text;
      out.push_back({done + index, proxy::system_error(error, std::move(what))});
    }
  }
  return out;
}

Result<void> IpvsNetlink::set_timeouts(const Settings& settings) {
  constexpr std::chrono::seconds kAsItIs{0};
  if (settings.tcp_timeout == kAsItIs && settings.tcp_fin_timeout == kAsItIs &&
      settings.udp_timeout == kAsItIs) {
    return {};
  }
  if (family_ == 0) {
    if (auto found = find_family(); !found) return found.error();
  }
  request_.clear();
  const auto sequence = socket_.take_sequence();
  encode_timeouts(settings, family_, sequence, request_);
  const auto refused = socket_.transact(request_, sequence, 1);
  if (!refused) return within("set the time-outs of IPVS", refused.error());
  if (refused->empty()) return {};
  return proxy::system_error(refused->front().error, "set the time-outs of IPVS");
}

}  // namespace modes::ipvs
