#include "modes/userspace/tcp/proxy_protocol.hpp"

#include <algorithm>
#include <cassert>
#include <string_view>

namespace modes::userspace::tcp {
namespace {

constexpr std::string_view kSignature{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr std::byte kVersion2Proxy{0x21};
constexpr std::byte kTcpV4{0x11}, kTcpV6{0x21};

}  // namespace

ProxyProtocolHeader proxy_protocol_header(const Peer& client, const Peer& destination) {
  assert(client.address.family() == destination.address.family());
  const bool v4 = client.address.family() == proxy::Family::v4;
  ProxyProtocolHeader header;
  const auto put = [&](std::span<const std::byte> bytes) {
    std::ranges::copy(bytes, header.bytes_.begin() + static_cast<std::ptrdiff_t>(header.size_));
    header.size_ += bytes.size();
  };
  const auto put_number = [&](std::size_t value) {
    put(std::array{static_cast<std::byte>(value >> 8), static_cast<std::byte>(value & 0xff)});
  };
  put(std::as_bytes(std::span{kSignature}));
  put(std::array{kVersion2Proxy, v4 ? kTcpV4 : kTcpV6});
  put_number(2 * client.address.bytes().size() + 2 * sizeof(std::uint16_t));
  put(client.address.bytes());
  put(destination.address.bytes());
  put_number(client.port.value);
  put_number(destination.port.value);
  return header;
}

}  // namespace modes::userspace::tcp
