// The hash of the zone's and the cache's tables: fast on short keys, keyed by a seed of the process
// so that nobody who may create names can choose colliding ones beforehand.
#pragma once

#include "dns/wire.hpp"

#include <cstring>

namespace dns {

// Folded 64x64 -> 128 bit multiplication over 8-byte words (the scheme of wyhash and of Abseil's
// low-level hash). Not cryptographic.
[[nodiscard]] inline std::uint64_t hash_bytes(Bytes bytes, std::uint64_t seed) {
  constexpr std::uint64_t kA = 0xa0761d6478bd642f, kB = 0xe7037ed1a0b428db;
  constexpr std::uint64_t kC = 0x8ebc6af09c88c6e3;
  const auto fold = [](std::uint64_t x, std::uint64_t y) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(x) * y;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  };
  const std::uint8_t* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t state = fold(seed ^ kA, kB);
  for (; left > 8; at += 8, left -= 8) {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    state = fold(word ^ kB, state ^ kC);
  }
  std::uint64_t tail = 0;
  if (left > 0) std::memcpy(&tail, at, left);
  state = fold(tail ^ kB, state ^ kC ^ bytes.size());
  return fold(state ^ kA, kB);
}

}  // namespace dns
