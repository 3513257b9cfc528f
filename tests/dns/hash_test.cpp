#include "dns/hash.hpp"

#include "dns/service_records.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace dns {
namespace {

TEST(Hash, NamesThatDifferALittleHashApartUnderEverySeed) {
  for (const std::uint64_t seed : {0ull, 1ull, 0xa0761d6478bd642full, 0xe7037ed1a0b428dbull}) {
    std::set<std::uint64_t> hashes;
    std::size_t count = 0;
    for (int i = 0; i < 3000; ++i) {
      for (const std::string& text :
           {"\7svc" + std::to_string(1000 + i) + "\2ns", std::to_string(i),
            "\3web\4n" + std::to_string(i), "a-rather-long-name-" + std::to_string(i) + "-of-it"}) {
        hashes.insert(hash_bytes(bytes_of(text), seed));
        ++count;
      }
    }
    EXPECT_EQ(hashes.size(), count) << seed;
  }
}

TEST(Hash, TheLowerBitsSpreadEvenly) {
  std::array<int, 64> buckets{};
  for (int i = 0; i < 6400; ++i) {
    ++buckets[hash_bytes(bytes_of("\5svc" + std::to_string(i)), 42) % 64];
  }
  for (const int count : buckets) {
    EXPECT_GT(count, 50);
    EXPECT_LT(count, 160);
  }
}

}  // namespace
}  // namespace dns
