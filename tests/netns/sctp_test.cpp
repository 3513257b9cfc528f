#include "tests/netns/sctp.hpp"

#include <gtest/gtest.h>

#include <array>
#include <span>

namespace netns::sctp {
namespace {

TEST(SctpChecksum, AgreesWithRfc3720TestVectors) {
  std::array<std::byte, 32> bytes{};
  EXPECT_EQ(crc32c(bytes), 0x8a9136aaU);
  bytes.fill(std::byte{0xff});
  EXPECT_EQ(crc32c(bytes), 0x62a8ab43U);
}

TEST(SctpHandshake, SurvivesEncodingAndDecoding) {
  const Handshake init{.type = ChunkType::init,
                       .source_port = 12345,
                       .destination_port = 80,
                       .verification_tag = 0,
                       .initiate_tag = 7,
                       .cookie = {}};
  EXPECT_EQ(decode(encode(init)), init);
  for (const auto* cookie : {"a", "ab", "abc", "abcd"}) {
    const Handshake ack{.type = ChunkType::init_ack,
                        .source_port = 80,
                        .destination_port = 12345,
                        .verification_tag = 7,
                        .initiate_tag = 0xdeadbeef,
                        .cookie = cookie};
    EXPECT_EQ(decode(encode(ack)), ack);
  }
}

TEST(SctpHandshake, IsNotReadFromADamagedOrCutPacket) {
  auto packet =
      encode({.type = ChunkType::init, .source_port = 1, .destination_port = 2, .cookie = {}});
  EXPECT_FALSE(decode(std::span{packet}.first(packet.size() - 1)));
  packet[2] ^= std::byte{1};
  EXPECT_FALSE(decode(packet));
}

}  // namespace
}  // namespace netns::sctp
