#include "dns/serve/query_command.hpp"

#include "dns/message.hpp"
#include "dns/serve/udp_socket.hpp"
#include "proxy/status/admin_socket.hpp"

#include <simdjson.h>
#include <sys/time.h>

#include <cerrno>

namespace dns::serve {

namespace {

constexpr timeval kPatience{10, 0};
constexpr std::uint16_t kId = 1;

Result<SocketAddress> server_of(const std::filesystem::path& admin_socket) {
  const auto reply = proxy::status::ask_admin(admin_socket, R"({"command":"dns"})");
  if (!reply) return reply.error();
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  if (parser.parse(simdjson::padded_string{*reply}).get(document) != simdjson::SUCCESS) {
    return proxy::invalid("the daemon's reply is not JSON");
  }
  std::string_view text;
  if (document["error"].get(text) == simdjson::SUCCESS) return proxy::invalid(std::string{text});
  if (document["listening"].at(0).get(text) != simdjson::SUCCESS) {
    return proxy::invalid("the daemon does not say where it serves DNS");
  }
  auto address = proxy::config::parse_socket_address(text, {53});
  if (address && address->address.is_unspecified()) {
    address->address = proxy::IpAddress::loopback(address->address.family());
  }
  return address;
}

// Reads exactly as much as there is room for; false at the end and at the deadline.
bool receive(int fd, MutableBytes into) {
  return recv(fd, into.data(), into.size(), MSG_WAITALL) == static_cast<ssize_t>(into.size());
}

}  // namespace

Result<std::string> query_daemon(const std::filesystem::path& admin_socket, std::string_view name,
                                 std::string_view type) {
  const auto question = parse_name(name);
  if (!question) return question.error();
  const auto asked = parse_type(type);
  if (!asked) return proxy::invalid("\"" + std::string{type} + "\" is no record type");
  const auto server = server_of(admin_socket);
  if (!server) return server.error();

  KernelAddress kernel;
  const auto size = kernel_address(*server, kernel);
  const proxy::UniqueFd fd{socket(kernel.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const auto failed = [&] { return proxy::system_error(errno, "ask " + server->text()); };
  if (!fd) return failed();
  (void)setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  if (connect(fd.get(), &kernel.any, size) != 0) return failed();
  auto query = make_query(kId, *question, *asked, kMaxUdpSize);
  query.insert(query.begin(), {static_cast<std::uint8_t>(query.size() >> 8),
                               static_cast<std::uint8_t>(query.size())});
  if (send(fd.get(), query.data(), query.size(), MSG_NOSIGNAL) < 0) return failed();
  std::array<std::uint8_t, 2> prefix{};
  errno = ETIMEDOUT;  // unless the kernel says otherwise
  if (!receive(fd.get(), prefix)) return failed();
  std::vector<std::uint8_t> reply(std::size_t{prefix[0]} << 8 | prefix[1]);
  if (!receive(fd.get(), reply)) return failed();
  const auto message = decode_message(reply);
  if (!message) return message.error();
  return message->text() + ";; server: " + server->text() + "\n";
}

}  // namespace dns::serve
