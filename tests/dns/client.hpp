// A DNS client with plain blocking sockets, for tests against a running server.
#pragma once

#include "dns/message.hpp"
#include "dns/serve/udp_socket.hpp"

#include <optional>
#include <string_view>

namespace dns::testing {

// By UDP; nullopt if nothing came within ten seconds.
[[nodiscard]] std::optional<Message> ask_udp(const proxy::config::SocketAddress& server,
                                             std::string_view name, Type type = Type::a,
                                             std::uint16_t udp_size = 1232);

// One UDP socket.
class UdpClient {
 public:
  explicit UdpClient(const proxy::config::SocketAddress& server);
  void send(std::uint16_t id, std::string_view name, Type type = Type::a,
            std::uint16_t udp_size = 1232);
  [[nodiscard]] std::optional<Message> receive();  // nullopt if nothing came within ten seconds

 private:
  proxy::UniqueFd fd_;
};

class TcpClient {
 public:
  explicit TcpClient(const proxy::config::SocketAddress& server);
  void send(std::uint16_t id, std::string_view name, Type type = Type::a);
  void send_raw(Bytes bytes);
  void shut_down();                                // our side
  [[nodiscard]] std::optional<Message> receive();  // nullopt at the end of the connection

 private:
  proxy::UniqueFd fd_;
};

}  // namespace dns::testing
