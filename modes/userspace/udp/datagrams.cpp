#include "modes/userspace/udp/datagrams.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace modes::userspace::udp {
namespace {

constexpr std::size_t kLargest = 65536;  // above any UDP payload
constexpr std::size_t kControl = 128;    // of a message: packet information and original address
constexpr std::size_t kHeader = 8;       // RFC 768

template <class T>
T read_control(const cmsghdr* message) {
  T value{};
  std::memcpy(&value, CMSG_DATA(message), sizeof(value));
  return value;
}

template <class Address>
IpAddress address_of(Family family, const Address& address) {
  return IpAddress::from_bytes(family, std::as_bytes(std::span{&address, 1}));
}

std::optional<Peer> destination_in(msghdr& header) {
  std::optional<Peer> to;
  for (auto* m = CMSG_FIRSTHDR(&header); m != nullptr; m = CMSG_NXTHDR(&header, m)) {
    if (m->cmsg_level == IPPROTO_IP && m->cmsg_type == IP_ORIGDSTADDR) {
      const auto v4 = read_control<sockaddr_in>(m);
      return Peer{address_of(Family::v4, v4.sin_addr), Port{ntohs(v4.sin_port)}};
    }
    if (m->cmsg_level == IPPROTO_IPV6 && m->cmsg_type == IPV6_ORIGDSTADDR) {
      const auto v6 = read_control<sockaddr_in6>(m);
      return Peer{address_of(Family::v6, v6.sin6_addr), Port{ntohs(v6.sin6_port)}};
    }
    if (m->cmsg_level == IPPROTO_IP && m->cmsg_type == IP_PKTINFO) {
      to = Peer{address_of(Family::v4, read_control<in_pktinfo>(m).ipi_addr), Port{}};
    }
    if (m->cmsg_level == IPPROTO_IPV6 && m->cmsg_type == IPV6_PKTINFO) {
      to = Peer{address_of(Family::v6, read_control<in6_pktinfo>(m).ipi6_addr), Port{}};
    }
  }
  return to;
}

// Packet information that names the source of what is sent.
class SourceControl {
 public:
  explicit SourceControl(const IpAddress& source) {
    if (source.family() == Family::v4) {
      in_pktinfo info{};
      std::memcpy(&info.ipi_spec_dst, source.bytes().data(), sizeof(info.ipi_spec_dst));
      put(IPPROTO_IP, IP_PKTINFO, info);
    } else {
      in6_pktinfo info{};
      std::memcpy(&info.ipi6_addr, source.bytes().data(), sizeof(info.ipi6_addr));
      put(IPPROTO_IPV6, IPV6_PKTINFO, info);
    }
  }
  void attach(msghdr& header) {
    header.msg_control = bytes_.data();
    header.msg_controllen = size_;
  }

 private:
  template <class Info>
  void put(int level, int type, const Info& info) {
    cmsghdr header{};
    header.cmsg_level = level;
    header.cmsg_type = type;
    header.cmsg_len = CMSG_LEN(sizeof(info));
    std::memcpy(bytes_.data(), &header, sizeof(header));
    std::memcpy(bytes_.data() + CMSG_LEN(0), &info, sizeof(info));
    size_ = CMSG_SPACE(sizeof(info));
  }
  alignas(cmsghdr) std::array<std::byte, kControl> bytes_{};
  std::size_t size_ = 0;
};

// The sum of RFC 1071, not folded yet.
std::uint64_t sum_of(std::span<const std::byte> bytes, std::uint64_t sum) {
  while (bytes.size() >= 2) {
    sum += std::to_integer<std::uint32_t>(bytes[0]) << 8 | std::to_integer<std::uint32_t>(bytes[1]);
    bytes = bytes.subspan(2);
  }
  if (!bytes.empty()) sum += std::to_integer<std::uint32_t>(bytes[0]) << 8;
  return sum;
}

using UdpHeader = std::array<std::byte, kHeader>;

void put16(std::byte* at, std::size_t value) {
  at[0] = static_cast<std::byte>(value >> 8);
  at[1] = static_cast<std::byte>(value & 0xff);
}

// With the checksum over IPv4's pseudo header; IPv6's is the kernel's to fill in.
UdpHeader udp_header(const Peer& source, const Peer& to, std::span<const std::byte> payload) {
  UdpHeader header{};
  const auto length = payload.size() + kHeader;
  put16(header.data(), source.port.value);
  put16(header.data() + 2, to.port.value);
  put16(header.data() + 4, length);
  if (source.address.family() == Family::v6) return header;
  constexpr std::uint64_t kUdp = 17;
  auto sum = sum_of(source.address.bytes(), kUdp + length);
  sum = sum_of(to.address.bytes(), sum);
  sum = sum_of(header, sum);
  sum = sum_of(payload, sum);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  const auto checksum = ~sum & 0xffff;
  put16(header.data() + 6, checksum == 0 ? 0xffff : checksum);
  return header;
}

// Sends one after the other; a datagram that cannot be sent is lost, as datagrams are.
void send_all(int fd, std::span<mmsghdr> messages) {
  while (!messages.empty()) {
    const int sent =
        ::sendmmsg(fd, messages.data(), static_cast<unsigned>(messages.size()), MSG_DONTWAIT);
    messages = messages.subspan(sent > 0 ? static_cast<std::size_t>(sent) : 1);
  }
}

}  // namespace

struct Receiver::Room {
  std::vector<std::byte> bytes;
  std::array<std::array<std::byte, kControl>, kBatch> control{};
  std::array<SocketAddress, kBatch> from;
  std::array<iovec, kBatch> parts{};
  std::array<mmsghdr, kBatch> messages{};
  std::array<Datagram, kBatch> datagrams;
};

Receiver::Receiver() : room_{std::make_unique<Room>()} {
  room_->bytes.resize(kBatch * kLargest);
}
Receiver::~Receiver() = default;

std::span<Datagram> Receiver::receive(int fd, int& error) {
  auto& room = *room_;
  for (std::size_t i = 0; i < kBatch; ++i) {
    room.parts[i] = {room.bytes.data() + i * kLargest, kLargest};
    auto& header = room.messages[i].msg_hdr;
    header = {};
    header.msg_name = room.from[i].get();
    header.msg_namelen = sizeof(sockaddr_in6);
    header.msg_iov = &room.parts[i];
    header.msg_iovlen = 1;
    header.msg_control = room.control[i].data();
    header.msg_controllen = kControl;
  }
  const int count = ::recvmmsg(fd, room.messages.data(), kBatch, MSG_DONTWAIT, nullptr);
  error = count < 0 ? errno : 0;
  if (count <= 0) return {};
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    auto& header = room.messages[i].msg_hdr;
    auto& datagram = room.datagrams[i];
    datagram.payload = std::span{room.bytes}.subspan(i * kLargest, room.messages[i].msg_len);
    datagram.from.reset();
    if (header.msg_namelen > 0) datagram.from = room.from[i].peer();
    datagram.to = destination_in(header);
  }
  return std::span{room.datagrams}.first(static_cast<std::size_t>(count));
}

std::size_t send_connected(int fd, std::span<const Datagram> datagrams, int& error) {
  std::array<iovec, kBatch> parts{};
  std::array<mmsghdr, kBatch> messages{};
  const auto count = std::min(datagrams.size(), kBatch);
  for (std::size_t i = 0; i < count; ++i) {
    parts[i] = {datagrams[i].payload.data(), datagrams[i].payload.size()};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  const int sent = ::sendmmsg(fd, messages.data(), static_cast<unsigned>(count), MSG_DONTWAIT);
  error = sent < 0 ? errno : 0;
  return sent < 0 ? 0 : static_cast<std::size_t>(sent);
}

void send_from(int sender, const Peer& source, const Peer& to,
               std::span<const Datagram> datagrams) {
  std::array<UdpHeader, kBatch> headers;
  std::array<std::array<iovec, 2>, kBatch> parts{};
  std::array<mmsghdr, kBatch> messages{};
  SourceControl control{source.address};
  SocketAddress address{to.address, Port{0}};  // a raw socket has no ports
  const auto count = std::min(datagrams.size(), kBatch);
  for (std::size_t i = 0; i < count; ++i) {
    const auto payload = datagrams[i].payload;
    headers[i] = udp_header(source, to, payload);
    parts[i] = {iovec{headers[i].data(), kHeader}, iovec{payload.data(), payload.size()}};
    auto& header = messages[i].msg_hdr;
    header.msg_name = address.get();
    header.msg_namelen = address.size();
    header.msg_iov = parts[i].data();
    header.msg_iovlen = parts[i].size();
    control.attach(header);
  }
  send_all(sender, std::span{messages}.first(count));
}

void send_by_listener(int fd, const IpAddress& source, const Peer& to,
                      std::span<const Datagram> datagrams) {
  std::array<iovec, kBatch> parts{};
  std::array<mmsghdr, kBatch> messages{};
  SourceControl control{source};
  SocketAddress address{to.address, to.port};
  const auto count = std::min(datagrams.size(), kBatch);
  for (std::size_t i = 0; i < count; ++i) {
    parts[i] = {datagrams[i].payload.data(), datagrams[i].payload.size()};
    auto& header = messages[i].msg_hdr;
    header.msg_name = address.get();
    header.msg_namelen = address.size();
    header.msg_iov = &parts[i];
    header.msg_iovlen = 1;
    control.attach(header);
  }
  send_all(fd, std::span{messages}.first(count));
}

}  // namespace modes::userspace::udp
