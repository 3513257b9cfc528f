#include "modes/userspace/tcp/proxy_protocol.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string_view>

namespace modes::userspace::tcp {
namespace {

using proxy::Family;
using proxy::IpAddress;
using proxy::Port;

// The other side of the protocol, by its text: section 2.2.
struct Announced {
  Peer client, destination;
};
std::optional<Announced> read(std::span<const std::byte> bytes) {
  constexpr std::string_view kSignature{"\r\n\r\n\0\r\nQUIT\n", 12};
  const auto at = [&](std::size_t i) { return std::to_integer<std::size_t>(bytes[i]); };
  if (bytes.size() < 16) return std::nullopt;
  for (std::size_t i = 0; i < 12; ++i) {
    if (at(i) != static_cast<unsigned char>(kSignature[i])) return std::nullopt;
  }
  if (at(12) != 0x21 || (at(13) != 0x11 && at(13) != 0x21)) return std::nullopt;
  const auto family = at(13) == 0x11 ? Family::v4 : Family::v6;
  const std::size_t size = family == Family::v4 ? 4 : 16;
  if ((at(14) << 8U | at(15)) != 2 * size + 4 || bytes.size() != 16 + 2 * size + 4) {
    return std::nullopt;
  }
  const auto port = [&](std::size_t i) {
    return Port{static_cast<std::uint16_t>(at(i) << 8U | at(i + 1))};
  };
  const auto ports = 16 + 2 * size;
  return Announced{
      {IpAddress::from_bytes(family, bytes.subspan(16, size)), port(ports)},
      {IpAddress::from_bytes(family, bytes.subspan(16 + size, size)), port(ports + 2)}};
}

TEST(ProxyProtocolHeader, SaysWhoTheClientIsAndWhereItWantedToGo) {
  std::mt19937 engine{5};
  for (int round = 0; round < 200; ++round) {
    for (const auto family : proxy::kFamilies) {
      const auto peer = [&] {
        std::array<std::byte, 16> bytes{};
        for (auto& byte : bytes) byte = static_cast<std::byte>(engine());
        const auto size = family == Family::v4 ? std::size_t{4} : bytes.size();
        return Peer{IpAddress::from_bytes(family, std::span{bytes}.first(size)),
                    Port{static_cast<std::uint16_t>(engine())}};
      };
      const auto client = peer();
      const auto destination = peer();
      const auto announced = read(proxy_protocol_header(client, destination).bytes());
      ASSERT_TRUE(announced);
      EXPECT_EQ(announced->client, client);
      EXPECT_EQ(announced->destination, destination);
    }
  }
}

}  // namespace
}  // namespace modes::userspace::tcp
