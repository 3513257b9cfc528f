#include "dns/forward/cache.hpp"

#include "dns/message.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace dns::forward {
namespace {

// An answer without records to a question; its size is what matters here.
StoredAnswer answer_to(const LowerName& name) {
  StoredAnswer answer;
  answer.message = make_query(0, name, Type::a, 0);
  return answer;
}

class CacheTest : public ::testing::Test {
 protected:
  void put(Cache& cache, const std::string& text, Time now = 0) {
    const auto name = *parse_name(text);
    cache.put({name, Type::a}, answer_to(name), now, now + 10 * kSecond, now + 100 * kSecond);
  }
  static const Cache::Entry* find(const Cache& cache, const std::string& text,
                                  Type type = Type::a) {
    const auto name = *parse_name(text);
    return cache.find({name, type});
  }

  Epochs epochs_;
  Epochs::Reader& reader_ = epochs_.add_reader();
};

TEST_F(CacheTest, FindsByNameTypeAndFlags) {
  Cache cache{epochs_, {}, 1};
  put(cache, "a.example");
  EXPECT_NE(find(cache, "A.EXAMPLE"), nullptr);
  EXPECT_EQ(find(cache, "b.example"), nullptr);
  EXPECT_EQ(find(cache, "a.example", Type::aaaa), nullptr);
  const auto name = *parse_name("a.example");
  EXPECT_EQ(cache.find({name, Type::a, true, false}), nullptr);
  EXPECT_EQ(cache.find({name, Type::a, false, true}), nullptr);
}

TEST_F(CacheTest, ANewAnswerTakesThePlaceOfTheOld) {
  Cache cache{epochs_, {}, 1};
  put(cache, "a.example", 0);
  put(cache, "a.example", 5 * kSecond);
  EXPECT_EQ(cache.entries(), 1u);
  EXPECT_EQ(find(cache, "a.example")->stored_at, 5 * kSecond);
  EXPECT_EQ(find(cache, "a.example")->age(7 * kSecond), 2u);
}

TEST_F(CacheTest, WhatNobodyUsedGoesFirst) {
  Cache cache{epochs_, {.entries = 8}, 1};
  for (int i = 0; i < 8; ++i) put(cache, std::to_string(i) + ".example");
  for (const int used : {2, 5}) find(cache, std::to_string(used) + ".example")->used = true;
  for (int i = 8; i < 14; ++i) put(cache, std::to_string(i) + ".example");
  EXPECT_EQ(cache.entries(), 8u);
  EXPECT_EQ(cache.evictions(), 6u);
  EXPECT_NE(find(cache, "2.example"), nullptr);
  EXPECT_NE(find(cache, "5.example"), nullptr);
}

TEST_F(CacheTest, StaysWithinItsBytes) {
  Cache cache{epochs_, {.entries = 100'000, .bytes = 20'000}, 1};
  for (int i = 0; i < 1000; ++i) put(cache, std::to_string(i) + ".example");
  EXPECT_LE(cache.bytes(), 20'500u);
  EXPECT_GT(cache.entries(), 20u);
}

TEST_F(CacheTest, ReadersOnOtherThreadsAlwaysSeeWholeEntries) {  // for the sanitizers
  Cache cache{epochs_, {.entries = 16}, 1};
  std::vector<Epochs::Reader*> readers{&reader_, &epochs_.add_reader()};
  std::atomic<bool> stop{false};
  std::atomic<int> bad{0};
  std::vector<std::thread> threads;
  for (auto* reader : readers) {
    threads.emplace_back([&, reader] {
      unsigned i = 0;
      while (!stop) {
        const Epochs::Inside inside{*reader};
        const auto name = *parse_name(std::to_string(++i % 40) + ".example");
        const auto* entry = cache.find({name, Type::a});
        if (entry == nullptr) continue;
        entry->used = true;
        if (name_text(entry->name()) != name.text()) ++bad;
      }
    });
  }
  for (int i = 0; i < 20'000; ++i) put(cache, std::to_string(i % 40) + ".example", i);
  stop = true;
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(bad, 0);
}

}  // namespace
}  // namespace dns::forward
