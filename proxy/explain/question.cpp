#include "proxy/config/values.hpp"
#include "proxy/explain/explain.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace proxy::explain {

Result<Question> parse_question(std::string_view text) {
  Question question;
  const auto slash = text.find('/');
  const auto address = text.substr(0, slash);
  if (slash != std::string_view::npos) {
    std::string name{text.substr(slash + 1)};
    std::ranges::transform(name, name.begin(), [](unsigned char c) {
      return static_cast<char>(c >= 'a' && c <= 'z' ? c - ('a' - 'A') : c);
    });
    const auto protocol = parse_protocol(name);
    if (!protocol) {
      return invalid(fmt::format("\"{}\" is none of tcp, udp, sctp", text.substr(slash + 1)));
    }
    question.protocol = *protocol;
  }
  const auto socket = config::parse_socket_address(address, Port{0});
  if (!socket) return socket.error();
  if (socket->port.value == 0) return invalid(fmt::format("\"{}\" names no port", address));
  question.to = socket->address;
  question.port = socket->port;
  return question;
}

}  // namespace proxy::explain
