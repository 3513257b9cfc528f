#include "dns/epochs.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace dns {
namespace {

struct Counted {
  Counted(int number, int* alive) : value{number}, alive_{alive} { ++*alive_; }
  ~Counted() { --*alive_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  int value;

 private:
  int* alive_;
};

TEST(Published, KeepsAVersionAsLongAsAReaderMayLookAtIt) {
  int alive = 0;
  Epochs epochs;
  auto& reader = epochs.add_reader();
  Published<Counted> published{epochs, std::make_unique<Counted>(1, &alive)};
  reader.enter();
  const auto& seen = published.read();
  published.publish(std::make_unique<Counted>(2, &alive));
  EXPECT_EQ(seen.value, 1);
  EXPECT_EQ(alive, 2);
  reader.leave();
  published.collect();
  EXPECT_EQ(alive, 1);
}

TEST(Published, AReaderThatCameLaterDoesNotHoldUpOlderVersions) {
  int alive = 0;
  Epochs epochs;
  auto& reader = epochs.add_reader();
  Published<Counted> published{epochs, std::make_unique<Counted>(1, &alive)};
  published.publish(std::make_unique<Counted>(2, &alive));
  reader.enter();
  published.collect();
  EXPECT_EQ(alive, 1);
  EXPECT_EQ(published.read().value, 2);
  reader.leave();
}

TEST(Published, ReadersOnOtherThreadsNeverSeeAFreedVersion) {  // for the sanitizers
  struct Pair {
    int a, b;
    ~Pair() { a = -1; }
  };
  Epochs epochs;
  std::vector<Epochs::Reader*> readers{&epochs.add_reader(), &epochs.add_reader()};
  Published<Pair> published{epochs, std::unique_ptr<const Pair>{new Pair{0, 0}}};
  std::atomic<bool> stop{false};
  std::atomic<int> bad{0};
  std::vector<std::thread> threads;
  for (auto* reader : readers) {
    threads.emplace_back([&, reader] {
      while (!stop) {
        const Epochs::Inside inside{*reader};
        const auto& pair = published.read();
        if (pair.a != pair.b) ++bad;
      }
    });
  }
  for (int i = 1; i < 20'000; ++i) {
    published.publish(std::unique_ptr<const Pair>{new Pair{i, i}});
  }
  stop = true;
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(bad, 0);
}

}  // namespace
}  // namespace dns
