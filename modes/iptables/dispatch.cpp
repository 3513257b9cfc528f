#include "modes/iptables/dispatch.hpp"

#include <algorithm>
#include <cassert>

namespace modes::iptables {

using netfilter::AddressMatch;
using netfilter::PortRange;
using netfilter::Rule;
using netfilter::Table;

const DispatchInfo& info(Dispatch dispatch) {
  // The tag keeps the names of different trees in one table apart; none is a hexadecimal digit.
  static constexpr std::array<DispatchInfo, kDispatches> kInfo{{
      {Table::nat, "KUBE-SERVICES", "", true},
      {Table::nat, "KUBE-NODEPORTS", "N", false},
      {Table::filter, "KUBE-SERVICES", "", true},
      {Table::filter, "KUBE-EXTERNAL-SERVICES", "X", true},
      {Table::filter, "KUBE-EXTERNAL-NODEPORTS", "N", false},
      {Table::filter, "KUBE-PROXY-FIREWALL", "W", true},
      {Table::filter, "KUBE-NODEPORTS", "H", false},
  }};
  return kInfo[static_cast<std::size_t>(dispatch)];
}

DispatchKey DispatchKey::of(const IpAddress& address, Protocol protocol, Port port) {
  DispatchKey key = of_port(protocol, port);
  const auto bytes = address.bytes();
  std::copy_backward(key.bytes_.begin(), key.bytes_.begin() + 3,
                     key.bytes_.begin() + static_cast<std::ptrdiff_t>(bytes.size()) + 3);
  std::ranges::transform(bytes, key.bytes_.begin(),
                         [](std::byte b) { return std::to_integer<std::uint8_t>(b); });
  key.size_ = static_cast<std::uint8_t>(bytes.size() + 3);
  return key;
}

DispatchKey DispatchKey::of_port(Protocol protocol, Port port) {
  DispatchKey key;
  key.size_ = 3;
  key.bytes_[0] = static_cast<std::uint8_t>(protocol);
  key.bytes_[1] = static_cast<std::uint8_t>(port.value >> 8);
  key.bytes_[2] = static_cast<std::uint8_t>(port.value & 0xff);
  return key;
}

DispatchKey DispatchKey::prefix(unsigned bits) const {
  DispatchKey out = *this;
  for (unsigned i = 0; i < size_; ++i) {
    const int kept = std::clamp(static_cast<int>(bits) - static_cast<int>(8 * i), 0, 8);
    out.bytes_[i] = static_cast<std::uint8_t>(out.bytes_[i] & (0xff00 >> kept));
  }
  return out;
}

Rule DispatchKey::match(unsigned bits) const {
  const auto key = prefix(bits);
  Rule rule;
  const unsigned address_size = address_bits() / 8;
  if (address_size > 0) {
    std::array<std::byte, 16> bytes{};
    std::ranges::transform(std::span{key.bytes_}.first(address_size), bytes.begin(),
                           [](std::uint8_t b) { return std::byte{b}; });
    const auto family = address_size == 4 ? Family::v4 : Family::v6;
    const auto address = IpAddress::from_bytes(family, std::span{bytes}.first(address_size));
    const auto length = static_cast<std::uint8_t>(std::min(bits, address_bits()));
    rule.destination = AddressMatch{{address, length}};
  }
  if (bits < address_bits() + 8) return rule;
  rule.protocol = static_cast<Protocol>(key.bytes_[address_size]);
  const unsigned port_bits = bits - address_bits() - 8;
  if (port_bits == 0) return rule;
  const auto first =
      static_cast<std::uint16_t>(key.bytes_[address_size + 1] << 8 | key.bytes_[address_size + 2]);
  const auto last = static_cast<std::uint16_t>(first | (0xffff >> port_bits));
  rule.destination_port = PortRange{{first}, {last}};
  return rule;
}

std::string DispatchKey::hex(unsigned bits) const {
  assert(bits % 4 == 0);
  std::string out;
  for (unsigned nibble = 0; nibble < bits / 4; ++nibble) {
    const auto byte = bytes_[nibble / 2];
    out += "0123456789ABCDEF"[nibble % 2 == 0 ? byte >> 4 : byte & 15];
  }
  return out;
}

}  // namespace modes::iptables
