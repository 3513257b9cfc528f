#include "tests/dns/client.hpp"

#include <sys/time.h>

#include <gtest/gtest.h>

namespace dns::testing {

namespace {

proxy::UniqueFd connected(const proxy::config::SocketAddress& server, int type) {
  serve::KernelAddress kernel;
  const auto size = serve::kernel_address(server, kernel);
  proxy::UniqueFd fd{socket(kernel.any.sa_family, type | SOCK_CLOEXEC, 0)};
  const timeval limit{10, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  EXPECT_EQ(connect(fd.get(), &kernel.any, size), 0);
  return fd;
}

}  // namespace

UdpClient::UdpClient(const proxy::config::SocketAddress& server)
    : fd_{connected(server, SOCK_DGRAM)} {}

void UdpClient::send(std::uint16_t id, std::string_view name, Type type, std::uint16_t udp_size) {
  const auto query = make_query(id, *parse_name(name), type, udp_size);
  EXPECT_EQ(::send(fd_.get(), query.data(), query.size(), 0), static_cast<ssize_t>(query.size()));
}

std::optional<Message> UdpClient::receive() {
  std::vector<std::uint8_t> reply(kMaxMessage);
  const auto size = recv(fd_.get(), reply.data(), reply.size(), 0);
  if (size < 0) return std::nullopt;
  auto message = decode_message(Bytes{reply}.first(static_cast<std::size_t>(size)));
  EXPECT_TRUE(message) << message.error();
  if (!message) return std::nullopt;
  return std::move(*message);
}

std::optional<Message> ask_udp(const proxy::config::SocketAddress& server, std::string_view name,
                               Type type, std::uint16_t udp_size) {
  UdpClient client{server};
  client.send(0x1234, name, type, udp_size);
  auto message = client.receive();
  EXPECT_TRUE(!message || message->id == 0x1234);
  return message;
}

TcpClient::TcpClient(const proxy::config::SocketAddress& server)
    : fd_{connected(server, SOCK_STREAM)} {}

void TcpClient::send(std::uint16_t id, std::string_view name, Type type) {
  const auto query = make_query(id, *parse_name(name), type, 0);
  std::vector<std::uint8_t> framed{static_cast<std::uint8_t>(query.size() >> 8),
                                   static_cast<std::uint8_t>(query.size())};
  framed.insert(framed.end(), query.begin(), query.end());
  send_raw(framed);
}

void TcpClient::send_raw(Bytes bytes) {
  EXPECT_EQ(::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(bytes.size()));
}

void TcpClient::shut_down() {
  shutdown(fd_.get(), SHUT_WR);
}

std::optional<Message> TcpClient::receive() {
  std::array<std::uint8_t, 2> prefix{};
  if (recv(fd_.get(), prefix.data(), 2, MSG_WAITALL) != 2) return std::nullopt;
  std::vector<std::uint8_t> reply(std::size_t{prefix[0]} << 8 | prefix[1]);
  if (recv(fd_.get(), reply.data(), reply.size(), MSG_WAITALL) !=
      static_cast<ssize_t>(reply.size())) {
    return std::nullopt;
  }
  auto message = decode_message(reply);
  EXPECT_TRUE(message) << message.error();
  if (!message) return std::nullopt;
  return std::move(*message);
}

}  // namespace dns::testing
