#include "dns/persistent_map.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace dns {
namespace {

struct Entry {
  int key = 0;
  std::string value;
};
using Map = PersistentMap<Entry>;

std::uint64_t hash(int key) {
  return static_cast<std::uint64_t>(key % 5000) * 0x9e3779b97f4a7c15;
}
auto same(int key) {
  return [key](const Entry& entry) { return entry.key == key; };
}
const std::string* find(const Map& map, int key) {
  const auto* entry = map.find(hash(key), same(key));
  return entry == nullptr ? nullptr : &entry->value;
}

TEST(PersistentMap, BehavesLikeAMapUnderRandomChanges) {
  Map map;
  std::map<int, std::string> model;
  std::mt19937 random{7};
  for (int i = 0; i < 40'000; ++i) {
    const int key = static_cast<int>(random() % 10'000);  // pairs of keys share a hash
    if (random() % 3 == 0) {
      EXPECT_EQ(map.erase(hash(key), same(key)), model.erase(key) == 1);
    } else {
      map.put(hash(key), {key, std::to_string(i)}, same(key));
      model[key] = std::to_string(i);
    }
  }
  EXPECT_EQ(map.size(), model.size());
  for (int key = 0; key < 10'000; ++key) {
    const auto* found = find(map, key);
    const auto expected = model.find(key);
    ASSERT_EQ(found != nullptr, expected != model.end());
    if (found != nullptr) {
      EXPECT_EQ(*found, expected->second);
    }
  }
  std::size_t visited = 0;
  map.for_each([&](const Entry&) { ++visited; });
  EXPECT_EQ(visited, model.size());
}

TEST(PersistentMap, ACopyKeepsWhatItHadWhileTheOtherChanges) {
  Map map;
  for (int key = 0; key < 2000; ++key) map.put(hash(key), {key, "old"}, same(key));
  const Map before = map;
  for (int key = 0; key < 2000; key += 2) map.erase(hash(key), same(key));
  for (int key = 1; key < 9000; key += 2) map.put(hash(key), {key, "new"}, same(key));
  EXPECT_EQ(before.size(), 2000u);
  for (int key = 0; key < 2000; ++key) {
    ASSERT_NE(find(before, key), nullptr);
    EXPECT_EQ(*find(before, key), "old");
    EXPECT_EQ(find(map, key) == nullptr, key % 2 == 0);
  }
}

TEST(PersistentMap, AChangeClonesOneBucketOnly) {
  Map map;
  for (int key = 0; key < 2000; ++key) map.put(hash(key), {key, "x"}, same(key));
  const Map before = map;
  map.put(hash(42), {42, "y"}, same(42));
  int moved = 0;
  for (int key = 0; key < 2000; ++key) moved += find(before, key) == find(map, key) ? 0 : 1;
  EXPECT_GE(moved, 1);
  EXPECT_LE(moved, 32);
}

}  // namespace
}  // namespace dns
