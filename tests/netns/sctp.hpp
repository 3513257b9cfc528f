// The two SCTP packets of a handshake's first half (RFC 9260 §3.3.2, §3.3.3), which the lab speaks
// over raw sockets where the kernel has no SCTP. Netfilter tracks and translates them as it does
// any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace netns::sctp {

enum class ChunkType : std::uint8_t { init = 1, init_ack = 2 };

// Of either packet, what the lab looks at. Ports in host order.
struct Handshake {
  ChunkType type = ChunkType::init;
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint32_t verification_tag = 0;  // 0 in an INIT, the INIT's initiate tag in its answer
  std::uint32_t initiate_tag = 0;
  std::string cookie;  // INIT ACK only: the State Cookie, here the endpoint's report

  friend bool operator==(const Handshake&, const Handshake&) = default;
};

// The packet from the SCTP common header on, with its checksum.
[[nodiscard]] std::vector<std::byte> encode(const Handshake& handshake);

// nullopt for anything else than a whole INIT or INIT ACK with a correct checksum.
[[nodiscard]] std::optional<Handshake> decode(std::span<const std::byte> packet);

// CRC32c (RFC 9260 appendix A, RFC 3720 appendix B.4 has test values).
[[nodiscard]] std::uint32_t crc32c(std::span<const std::byte> bytes);

}  // namespace netns::sctp
