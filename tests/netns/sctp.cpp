#include "tests/netns/sctp.hpp"

#include <algorithm>
#include <array>

namespace netns::sctp {
namespace {

// Byte offsets; every field big-endian except the checksum (RFC 9260 §3.1, §3.3.2).
constexpr std::size_t kSourcePort = 0, kDestinationPort = 2, kVerificationTag = 4, kChecksum = 8;
constexpr std::size_t kChunk = 12, kChunkLength = kChunk + 2, kInitiateTag = kChunk + 4;
constexpr std::size_t kWindow = kChunk + 8, kOutStreams = kChunk + 12, kInStreams = kChunk + 14;
constexpr std::size_t kParameters = kChunk + 20;
constexpr std::size_t kParameterHeader = 4;
constexpr std::uint16_t kStateCookie = 7;  // RFC 9260 §3.3.3.1

std::uint8_t byte_of(std::uint32_t value, int shift) {
  return static_cast<std::uint8_t>(value >> shift);
}

void put16(std::span<std::byte> at, std::uint16_t value) {
  at[0] = std::byte{byte_of(value, 8)};
  at[1] = std::byte{byte_of(value, 0)};
}

void put32(std::span<std::byte> at, std::uint32_t value) {
  put16(at, static_cast<std::uint16_t>(value >> 16));
  put16(at.subspan(2), static_cast<std::uint16_t>(value));
}

std::uint16_t get16(std::span<const std::byte> at) {
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(at[0]) << 8 |
                                    std::to_integer<unsigned>(at[1]));
}

std::uint32_t get32(std::span<const std::byte> at) {
  return std::uint32_t{get16(at)} << 16 | get16(at.subspan(2));
}

// The register of a CRC32c (reflected) after these bytes.
std::uint32_t extend(std::uint32_t crc, std::span<const std::byte> bytes) {
  constexpr std::uint32_t kReversedPolynomial = 0x82f63b78;
  for (const auto byte : bytes) {
    crc ^= std::to_integer<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kReversedPolynomial : 0);
  }
  return crc;
}

// The checksum is computed with its own field zero, and sent least significant byte first.
std::uint32_t packet_checksum(std::span<const std::byte> packet) {
  constexpr std::array<std::byte, 4> kZero{};
  auto crc = extend(~0U, packet.first(kChecksum));
  crc = extend(crc, kZero);
  return ~extend(crc, packet.subspan(kChunk));
}

void put_checksum(std::span<std::byte> packet) {
  const auto sum = packet_checksum(packet);
  for (int i = 0; i < 4; ++i) {
    packet[kChecksum + static_cast<std::size_t>(i)] = std::byte{byte_of(sum, 8 * i)};
  }
}

bool checksum_is_right(std::span<const std::byte> packet) {
  const auto sum = packet_checksum(packet);
  for (int i = 0; i < 4; ++i) {
    if (packet[kChecksum + static_cast<std::size_t>(i)] != std::byte{byte_of(sum, 8 * i)})
      return false;
  }
  return true;
}

}  // namespace

std::uint32_t crc32c(std::span<const std::byte> bytes) {
  return ~extend(~0U, bytes);
}

std::vector<std::byte> encode(const Handshake& handshake) {
  const auto cookie_size =
      handshake.cookie.empty() ? 0 : kParameterHeader + handshake.cookie.size();
  std::vector<std::byte> packet((kParameters + cookie_size + 3) / 4 * 4);
  const std::span at{packet};
  put16(at.subspan(kSourcePort), handshake.source_port);
  put16(at.subspan(kDestinationPort), handshake.destination_port);
  put32(at.subspan(kVerificationTag), handshake.verification_tag);
  packet[kChunk] = std::byte{static_cast<std::uint8_t>(handshake.type)};
  put16(at.subspan(kChunkLength), static_cast<std::uint16_t>(kParameters - kChunk + cookie_size));
  put32(at.subspan(kInitiateTag), handshake.initiate_tag);
  put32(at.subspan(kWindow), 65536);
  put16(at.subspan(kOutStreams), 1);
  put16(at.subspan(kInStreams), 1);
  if (cookie_size != 0) {
    put16(at.subspan(kParameters), kStateCookie);
    put16(at.subspan(kParameters + 2), static_cast<std::uint16_t>(cookie_size));
    std::ranges::transform(handshake.cookie, packet.begin() + kParameters + kParameterHeader,
                           [](char c) { return static_cast<std::byte>(c); });
  }
  put_checksum(packet);
  return packet;
}

std::optional<Handshake> decode(std::span<const std::byte> packet) {
  if (packet.size() < kParameters || !checksum_is_right(packet)) return std::nullopt;
  const auto type = static_cast<ChunkType>(packet[kChunk]);
  if (type != ChunkType::init && type != ChunkType::init_ack) return std::nullopt;
  Handshake result{.type = type,
                   .source_port = get16(packet.subspan(kSourcePort)),
                   .destination_port = get16(packet.subspan(kDestinationPort)),
                   .verification_tag = get32(packet.subspan(kVerificationTag)),
                   .initiate_tag = get32(packet.subspan(kInitiateTag)),
                   .cookie = {}};
  const auto rest = packet.subspan(kParameters);
  if (rest.size() >= kParameterHeader && get16(rest) == kStateCookie) {
    const std::size_t length = get16(rest.subspan(2));
    if (length < kParameterHeader || length > rest.size()) return std::nullopt;
    for (const auto byte : rest.subspan(kParameterHeader, length - kParameterHeader)) {
      result.cookie.push_back(std::to_integer<char>(byte));
    }
  }
  return result;
}

}  // namespace netns::sctp
