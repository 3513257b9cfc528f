// The source on a real folder, with the kernel's events, on a loop.
#include "proxy/sources/manifests/manifests_source.hpp"

#include "tests/proxy/sources/manifests/samples.hpp"
#include "tests/proxy/sources/manifests/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <boost/asio/io_context.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <functional>

namespace proxy::sources::manifests {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// Keeps the state that the stream adds up to.
class RecordingSink final : public Sink {
 public:
  void replace(std::vector<records::Record> all) override {
    ++replacements;
    state.clear();
    for (auto& record : all) state.insert_or_assign(key_of(record), std::move(record));
  }
  void change(std::vector<Change> changes) override {
    last_change = changes;
    for (auto& change : changes) {
      if (auto* record = std::get_if<records::Record>(&change)) {
        state.insert_or_assign(key_of(*record), std::move(*record));
      } else {
        EXPECT_EQ(state.erase(std::get<Removal>(change).key), 1U);
      }
    }
  }
  void problems(std::vector<Problem> all) override { standing = std::move(all); }

  // The cluster IP of the service, empty if there is no such service.
  [[nodiscard]] std::string address(const std::string& name) const {
    const auto found = state.find(service_key(name));
    if (found == state.end()) return {};
    return std::get<records::Service>(found->second).cluster_ips.front().text();
  }

  int replacements = 0;
  std::map<records::RecordKey, records::Record> state;
  std::vector<Change> last_change;
  std::vector<Problem> standing;
};

class ManifestsSourceTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directory(dir_); }

  void start(const std::filesystem::path& path) {
    source_.emplace(io_, path);
    const auto started = source_->start(sink_);
    ASSERT_TRUE(started) << started.error();
  }
  void start() {
    start(dir_);
    ASSERT_TRUE(runs_until([&] { return sink_.replacements == 1; }));
  }
  // Runs the loop until it holds; false if it does not within a time that only a failure takes.
  bool runs_until(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    while (!holds()) {
      if (io_.run_one_until(deadline) == 0) return false;
    }
    return true;
  }

  const TemporaryFolder folder_;
  const std::filesystem::path dir_ = folder_ / "manifests";
  boost::asio::io_context io_{1};
  RecordingSink sink_;
  std::optional<ManifestsSource> source_;
};

TEST_F(ManifestsSourceTest, BeginsWithEverythingThereIs) {
  write(dir_ / "a.yaml", service_yaml("a"));
  write(dir_ / "b.yaml", service_yaml("b"));
  start();
  EXPECT_THAT(sink_.state, SizeIs(2));
  EXPECT_THAT(sink_.standing, IsEmpty());
}

TEST_F(ManifestsSourceTest, AnEmptyFolderIsAnEmptySnapshot) {
  start();
  EXPECT_THAT(sink_.state, IsEmpty());
}

TEST_F(ManifestsSourceTest, AnEditedFileIsTheMinimalChange) {
  write(dir_ / "a.yaml", service_yaml("a") + "---\n" + service_yaml("b"));
  start();
  write(dir_ / "a.yaml", service_yaml("a") + "---\n" + service_yaml("b", "10.96.0.2"));
  ASSERT_TRUE(runs_until([&] { return sink_.address("b") == "10.96.0.2"; }));
  EXPECT_THAT(sink_.last_change, SizeIs(1));
  EXPECT_EQ(sink_.replacements, 1);
}

TEST_F(ManifestsSourceTest, AFileMovedIntoPlaceCounts) {
  write(dir_ / "a.yaml", service_yaml("a"));
  start();
  write(dir_ / ".a.new", service_yaml("a", "10.96.0.2"));
  std::filesystem::rename(dir_ / ".a.new", dir_ / "a.yaml");
  EXPECT_TRUE(runs_until([&] { return sink_.address("a") == "10.96.0.2"; }));
}

TEST_F(ManifestsSourceTest, AFileLinkedIntoPlaceCounts) {
  start();
  write(folder_ / "one", service_yaml("a"));
  std::filesystem::create_symlink(folder_ / "one", dir_ / "a.yaml");
  EXPECT_TRUE(runs_until([&] { return !sink_.address("a").empty(); }));
  write(folder_ / "two", service_yaml("b"));
  std::filesystem::create_hard_link(folder_ / "two", dir_ / "b.yaml");
  EXPECT_TRUE(runs_until([&] { return !sink_.address("b").empty(); }));
}

TEST_F(ManifestsSourceTest, ADeletedFileTakesItsObjectsAway) {
  write(dir_ / "a.yaml", service_yaml("a"));
  write(dir_ / "b.yaml", service_yaml("b"));
  start();
  std::filesystem::remove(dir_ / "a.yaml");
  ASSERT_TRUE(runs_until([&] { return sink_.address("a").empty(); }));
  EXPECT_FALSE(sink_.address("b").empty());
}

TEST_F(ManifestsSourceTest, ARenamedFileChangesNothing) {
  write(dir_ / "a.yaml", service_yaml("a"));
  start();
  std::filesystem::rename(dir_ / "a.yaml", dir_ / "z.yaml");
  write(dir_ / "b.yaml", service_yaml("b"));
  ASSERT_TRUE(runs_until([&] { return !sink_.address("b").empty(); }));
  EXPECT_THAT(sink_.last_change, SizeIs(1));
  std::filesystem::remove(dir_ / "b.yaml");
  ASSERT_TRUE(runs_until([&] { return sink_.address("b").empty(); }));
  EXPECT_THAT(sink_.last_change, SizeIs(1));
  EXPECT_FALSE(sink_.address("a").empty());
}

TEST_F(ManifestsSourceTest, AHalfWrittenFileKeepsWhatItSaidAndIsReported) {
  write(dir_ / "a.yaml", service_yaml("a") + "---\n" + service_yaml("b"));
  start();
  const auto text = service_yaml("a", "10.96.0.2") + "---\n" + service_yaml("b", "10.96.0.3");
  write(dir_ / "a.yaml", text.substr(0, text.size() - 12));
  ASSERT_TRUE(runs_until([&] { return !sink_.standing.empty(); }));
  EXPECT_EQ(sink_.address("b"), "10.96.0.1");
  EXPECT_THAT(sink_.standing.front().what, HasSubstr("stays in force"));
  write(dir_ / "a.yaml", text);
  ASSERT_TRUE(runs_until([&] { return sink_.standing.empty(); }));
  EXPECT_EQ(sink_.address("b"), "10.96.0.3");
}

TEST_F(ManifestsSourceTest, AMountedConfigMapIsSwappedAtOnce) {
  // As the kubelet lays it out: a.yaml -> ..data/a.yaml, ..data -> ..version.
  for (const auto* version : {"..1", "..2"}) std::filesystem::create_directory(dir_ / version);
  write(dir_ / "..1/a.yaml", service_yaml("a"));
  write(dir_ / "..1/b.yaml", service_yaml("b"));
  write(dir_ / "..2/a.yaml", service_yaml("a", "10.96.0.2"));
  write(dir_ / "..2/b.yaml", service_yaml("b", "10.96.0.2"));
  std::filesystem::create_directory_symlink("..1", dir_ / "..data");
  std::filesystem::create_symlink("..data/a.yaml", dir_ / "a.yaml");
  std::filesystem::create_symlink("..data/b.yaml", dir_ / "b.yaml");
  start();
  EXPECT_EQ(sink_.address("a"), "10.96.0.1");
  std::filesystem::create_directory_symlink("..2", dir_ / "..data_tmp");
  std::filesystem::rename(dir_ / "..data_tmp", dir_ / "..data");
  ASSERT_TRUE(runs_until([&] { return sink_.address("a") == "10.96.0.2"; }));
  EXPECT_EQ(sink_.address("b"), "10.96.0.2");
  EXPECT_THAT(sink_.last_change, SizeIs(2));
}

TEST_F(ManifestsSourceTest, NothingIsDeliveredUntilTheFolderExists) {
  start(folder_ / "later");
  ASSERT_TRUE(runs_until([&] { return !sink_.standing.empty(); }));
  EXPECT_EQ(sink_.replacements, 0);
  std::filesystem::create_directory(folder_ / "staged");
  write(folder_ / "staged/a.yaml", service_yaml("a"));
  std::filesystem::rename(folder_ / "staged", folder_ / "later");
  ASSERT_TRUE(runs_until([&] { return sink_.replacements == 1; }));
  EXPECT_FALSE(sink_.address("a").empty());
  ASSERT_TRUE(runs_until([&] { return sink_.standing.empty(); }));
}

TEST_F(ManifestsSourceTest, AFolderThatVanishesKeepsItsLastStateAndSaysSo) {
  write(dir_ / "a.yaml", service_yaml("a"));
  start();
  std::filesystem::remove_all(dir_);
  ASSERT_TRUE(runs_until([&] { return !sink_.standing.empty(); }));
  EXPECT_FALSE(sink_.address("a").empty());
  std::filesystem::create_directory(folder_ / "staged");
  write(folder_ / "staged/a.yaml", service_yaml("a", "10.96.0.2"));
  std::filesystem::rename(folder_ / "staged", dir_);
  ASSERT_TRUE(runs_until([&] { return sink_.address("a") == "10.96.0.2"; }));
  EXPECT_THAT(sink_.standing, IsEmpty());
}

TEST_F(ManifestsSourceTest, TheSameObjectInTwoFilesIsReportedAndTheFirstCounts) {
  write(dir_ / "b.yaml", service_yaml("a", "10.96.0.2"));
  start();
  write(dir_ / "a.yaml", service_yaml("a", "10.96.0.1"));
  ASSERT_TRUE(runs_until([&] { return sink_.address("a") == "10.96.0.1"; }));
  ASSERT_THAT(sink_.standing, SizeIs(1));
  EXPECT_EQ(sink_.standing[0].where, (dir_ / "b.yaml").string());
  EXPECT_THAT(sink_.standing[0].what, HasSubstr((dir_ / "a.yaml").string()));
}

TEST_F(ManifestsSourceTest, WhenTheFileThatCountedGoesTheOtherOneIsBackInForce) {
  write(dir_ / "b.yaml", service_yaml("a", "10.96.0.2"));
  start();
  write(dir_ / "a.yaml", service_yaml("a", "10.96.0.1"));
  ASSERT_TRUE(runs_until([&] { return sink_.address("a") == "10.96.0.1"; }));
  std::filesystem::remove(dir_ / "a.yaml");
  ASSERT_TRUE(runs_until([&] { return sink_.address("a") == "10.96.0.2"; }));
  EXPECT_THAT(sink_.standing, IsEmpty());
}

TEST_F(ManifestsSourceTest, StandardInputIsReadToItsEnd) {
  int pipe_ends[2];
  ASSERT_EQ(::pipe2(pipe_ends, O_CLOEXEC), 0);
  UniqueFd writing{pipe_ends[1]};
  const UniqueFd reading{pipe_ends[0]};
  const UniqueFd saved{::dup(STDIN_FILENO)};
  ASSERT_GE(::dup2(reading.get(), STDIN_FILENO), 0);

  start("-");
  const auto text = service_yaml("a");
  ASSERT_EQ(::write(writing.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  io_.poll();
  EXPECT_EQ(sink_.replacements, 0);  // there may come more
  writing.reset();
  EXPECT_TRUE(runs_until([&] { return sink_.replacements == 1; }));
  EXPECT_FALSE(sink_.address("a").empty());

  source_.reset();
  io_.poll();
  ::dup2(saved.get(), STDIN_FILENO);
}

TEST_F(ManifestsSourceTest, StandardInputMayBeAFile) {
  write(dir_ / "a", service_yaml("a"));
  const UniqueFd file{::open((dir_ / "a").c_str(), O_RDONLY | O_CLOEXEC)};
  const UniqueFd saved{::dup(STDIN_FILENO)};
  ASSERT_GE(::dup2(file.get(), STDIN_FILENO), 0);
  start("-");
  EXPECT_TRUE(runs_until([&] { return sink_.replacements == 1; }));
  EXPECT_FALSE(sink_.address("a").empty());
  ::dup2(saved.get(), STDIN_FILENO);
}

TEST_F(ManifestsSourceTest, AfterStopTheLoopRunsOutOfWork) {
  start();
  source_->stop();
  io_.run();  // returns
  write(dir_ / "a.yaml", service_yaml("a"));
  io_.restart();
  io_.run();
  EXPECT_THAT(sink_.state, IsEmpty());
}

}  // namespace
}  // namespace proxy::sources::manifests
