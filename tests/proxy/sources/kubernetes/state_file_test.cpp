// The last records on disk, and a start while the API server is away.
#include "proxy/sources/kubernetes/state_file.hpp"
#include "tests/proxy/sources/kubernetes/cluster.hpp"
#include "tests/proxy/sources/manifests/temporary_folder.hpp"

#include <sys/mount.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

namespace proxy::sources::kubernetes {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::string content(const std::filesystem::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}
void write(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream{path, std::ios::binary} << bytes;
}

records::Service service(const std::string& name) {
  records::Service service;
  service.name = {"shop", name};
  service.cluster_ips = {*parse_ip("10.96.0.1")};
  service.labels = {{"app", name}};
  service.ports.resize(1);
  service.ports[0].port = Port{80};
  service.ports[0].target_port = std::string{"http"};
  service.client_ip_affinity = std::chrono::seconds{10800};
  return service;
}
std::vector<RecordBytes> bytes_of(const std::vector<records::Record>& records) {
  std::vector<RecordBytes> all;
  for (const auto& record : records) {
    all.push_back(std::make_shared<const std::string>(to_bytes(record)));
  }
  return all;
}

class StateFile : public testing::Test {
 protected:
  const manifests::TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_ / "deep/er/records.state";
  const StateOrigin origin_{.servers = {"https://a:6443"},
                            .saved = std::chrono::system_clock::time_point{std::chrono::hours{1}}};
  records::BinaryReader reader_;
};

TEST_F(StateFile, GivesBackWhatWasWritten) {
  const std::vector<records::Record> records{service("a"), service("b"),
                                             records::Namespace{{"", "shop"}}};
  ASSERT_TRUE(write_state(path_, origin_, bytes_of(records)));
  const auto state = read_state(path_, reader_);
  ASSERT_TRUE(state) << state.error();
  EXPECT_EQ(state->origin, origin_);
  EXPECT_EQ(state->records, records);
  EXPECT_FALSE(std::filesystem::exists(path_.string() + ".new"));
}

TEST_F(StateFile, OneThatIsNotWholeOrNotOursIsRefused) {
  ASSERT_TRUE(write_state(path_, origin_, bytes_of({service("a")})));
  const auto good = content(path_);
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(parse_state(std::string_view{good}.substr(0, size), reader_)) << size;
  }
  for (std::size_t at = 0; at < good.size(); ++at) {
    auto bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    EXPECT_FALSE(parse_state(bad, reader_)) << at;
  }
  EXPECT_FALSE(parse_state(good + "x", reader_));
  auto newer = good;
  newer[8] = 9;  // the layout's version
  EXPECT_THAT(parse_state(newer, reader_).error().text(), HasSubstr("another version"));
}

TEST_F(StateFile, OneThatIsNotThereIsTold) {
  EXPECT_EQ(read_state(path_, reader_).error().code, std::errc::no_such_file_or_directory);
}

TEST_F(StateFile, AFullDiskLeavesTheOldOneAsItWas) {
  // A disk of 64 kB; where none may be mounted, a folder in the place of the draft fails as well.
  std::filesystem::create_directories(path_.parent_path());
  const bool mounted = ::mount("none", path_.parent_path().c_str(), "tmpfs", 0, "size=64k") == 0;
  ASSERT_TRUE(write_state(path_, origin_, bytes_of({service("a")})));
  const auto before = content(path_);
  if (!mounted) std::filesystem::create_directory(path_.string() + ".new");
  auto large = service("b");
  for (int i = 0; i < 10'000; ++i) large.labels["key" + std::to_string(i)] = "some value";
  const auto written = write_state(path_, origin_, bytes_of({large}));
  ASSERT_FALSE(written);
  EXPECT_EQ(content(path_), before);
  if (mounted) {
    EXPECT_EQ(written.error().code, std::errc::no_space_on_device);
    EXPECT_FALSE(std::filesystem::exists(path_.string() + ".new"));
    ::umount(path_.parent_path().c_str());
  }
}

// ── with a source ───────────────────────────────────────────────────────────────────────────────

class StaticStability : public SourceTest {
 protected:
  void start() {
    SourceTest::start([this](auto& settings) { settings.state_file = path_; });
  }
  // A life that knew shop/web, and is over; the server is away since then.
  void live_once() {
    start();
    ASSERT_TRUE(is_complete());
    ASSERT_TRUE(runs_until([&] { return std::filesystem::exists(path_); }));
    source.reset();
    server.stop_listening();
    sink = RecordingSink{};
  }

  const manifests::TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_ / "records.state";
};

TEST_F(StaticStability, AStartWithoutTheServerGoesByTheLastRecordsAndSaysSo) {
  live_once();
  start();
  ASSERT_TRUE(is_complete());
  EXPECT_THAT(sink.services(), ElementsAre("shop/web"));
  EXPECT_THAT(sink.names(records::Kind::endpoint_slice), ElementsAre("shop/web-abc"));
  EXPECT_TRUE(sink.from);
  ASSERT_TRUE(runs_until([&] { return sink.has_heard("the API server has given no records"); }));
}

TEST_F(StaticStability, WhatTheServerSaysWhenItIsBackReplacesThem) {
  live_once();
  server.remove("services", "shop/web");
  server.put("services", "shop/api", service_json("shop", "api"));
  start();
  ASSERT_TRUE(is_complete());
  EXPECT_THAT(sink.services(), ElementsAre("shop/web"));
  server.listen_again();
  ASSERT_TRUE(runs_until([&] { return sink.replacements == 2; }));
  EXPECT_THAT(sink.services(), ElementsAre("shop/api"));
  EXPECT_FALSE(sink.from);
  EXPECT_TRUE(runs_until([&] { return sink.standing.empty(); }));
}

TEST_F(StaticStability, ChangesReachTheDisk) {
  start();
  ASSERT_TRUE(is_complete());
  server.put("services", "shop/api", service_json("shop", "api"));
  records::BinaryReader reader;
  ASSERT_TRUE(runs_until([&] {
    const auto state = read_state(path_, reader);
    return state && state->records.size() == 4;
  }));
}

TEST_F(StaticStability, WhatWasNotWrittenYetIsWrittenAtTheEnd) {
  SourceTest::start([this](auto& settings) {
    settings.state_file = path_;
    settings.timing.state_file_interval = std::chrono::hours{1};
  });
  ASSERT_TRUE(is_complete());
  ASSERT_TRUE(runs_until([&] { return std::filesystem::exists(path_); }));
  server.put("services", "shop/api", service_json("shop", "api"));
  ASSERT_TRUE(runs_until([&] { return !sink.address("shop", "api").empty(); }));
  source.reset();
  io.restart();
  io.run();
  records::BinaryReader reader;
  EXPECT_THAT(read_state(path_, reader).value().records, SizeIs(4));
}

TEST_F(StaticStability, AServerThatAnswersIsBelievedAtOnceAndTheFileNotRead) {
  write(path_, "nonsense");
  start();
  ASSERT_TRUE(is_complete());
  EXPECT_THAT(sink.services(), ElementsAre("shop/web"));
  EXPECT_THAT(sink.heard, IsEmpty());
}

TEST_F(StaticStability, AFileThatCannotBeUsedIsNamedAndNothingIsProgrammed) {
  live_once();
  auto bytes = content(path_);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  write(path_, bytes);
  start();
  ASSERT_TRUE(runs_until([&] { return sink.has_heard("checksum is wrong"); }));
  EXPECT_EQ(sink.replacements, 0);
}

TEST_F(StaticStability, AFileOfAnotherClusterIsNotUsed) {
  live_once();
  SourceTest::start([this](auto& settings) {
    settings.state_file = path_;
    settings.access.servers = {*parse_server("https://127.0.0.1:1")};
  });
  ASSERT_TRUE(runs_until([&] { return sink.has_heard("is of another cluster"); }));
  EXPECT_EQ(sink.replacements, 0);
}

TEST_F(StaticStability, AFileThatCannotBeWrittenIsAProblemAndNoMore) {
  const auto folder = folder_ / "a-file";
  write(folder, "");
  SourceTest::start([&](auto& settings) { settings.state_file = folder / "records.state"; });
  ASSERT_TRUE(is_complete());
  ASSERT_TRUE(runs_until([&] { return sink.has_heard("state file: write "); }));
  server.put("services", "shop/api", service_json("shop", "api"));
  EXPECT_TRUE(runs_until([&] { return !sink.address("shop", "api").empty(); }));
}

}  // namespace
}  // namespace proxy::sources::kubernetes
