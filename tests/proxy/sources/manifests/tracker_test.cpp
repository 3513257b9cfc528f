// What the tracker makes of time and of the state of the disk; the kernel's events are the subject
// of manifests_source_test.cpp.
#include "proxy/sources/manifests/tracker.hpp"

#include "tests/proxy/sources/manifests/samples.hpp"
#include "tests/proxy/sources/manifests/temporary_folder.hpp"

#include <gmock/gmock.h>

#include <sys/resource.h>

namespace proxy::sources::manifests {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class TrackerTest : public testing::Test {
 protected:
  void follow(const std::filesystem::path& root) { tracker_.emplace(root, *FolderWatch::open()); }
  // Lets time pass without events.
  void pass(milliseconds time) {
    for (const auto end = now_ + time; now_ < end;) {
      now_ = std::clamp(tracker_->next_tick(), now_, end);
      tracker_->tick(now_);
    }
  }
  void events() { tracker_->take_events(now_); }
  // "+name" and "-name"
  std::vector<std::string> changes() {
    std::vector<std::string> found;
    for (const auto& change : tracker_->manifests().take_changes()) {
      if (const auto* record = std::get_if<records::Record>(&change)) {
        found.push_back("+" + name_of(*record).name);
      } else {
        found.push_back("-" + std::get<Removal>(change).key.name.name);
      }
    }
    return found;
  }
  std::string only_problem() {
    const auto problems = tracker_->problems();
    EXPECT_THAT(problems, SizeIs(1));
    return problems.empty() ? "" : problems.front().what;
  }

  const TemporaryFolder folder_;
  const std::filesystem::path dir_ = folder_ / "manifests";
  std::optional<Tracker> tracker_;
  Tracker::Clock::time_point now_ = Tracker::Clock::now();
};

TEST_F(TrackerTest, WaitsForAFolderThatDoesNotExistYet) {
  follow(dir_);
  pass(seconds{3});
  EXPECT_FALSE(tracker_->found());
  EXPECT_EQ(only_problem(), "does not exist yet; waiting for it");
  std::filesystem::create_directory(dir_);
  pass(milliseconds{100});
  EXPECT_TRUE(tracker_->found());
  EXPECT_THAT(tracker_->problems(), IsEmpty());
}

TEST_F(TrackerTest, ADeletedFileTakesItsObjectsWithItAfterAMoment) {
  std::filesystem::create_directory(dir_);
  write(dir_ / "a.yaml", service_yaml("a"));
  follow(dir_);
  pass(milliseconds{1});
  EXPECT_THAT(changes(), ElementsAre("+a"));
  std::filesystem::remove(dir_ / "a.yaml");
  events();
  pass(milliseconds{49});
  EXPECT_THAT(changes(), IsEmpty());
  pass(milliseconds{1});
  EXPECT_THAT(changes(), ElementsAre("-a"));
}

TEST_F(TrackerTest, AFileThatAnEditorMovesAwayAndWritesAnewIsNeverGone) {
  std::filesystem::create_directory(dir_);
  write(dir_ / "a.yaml", service_yaml("a"));
  follow(dir_);
  pass(milliseconds{1});
  changes();
  std::filesystem::rename(dir_ / "a.yaml", dir_ / "a.yaml~");
  events();
  pass(milliseconds{40});
  write(dir_ / "a.yaml", service_yaml("a", "10.96.0.2"));
  events();
  pass(seconds{1});
  EXPECT_THAT(changes(), ElementsAre("+a"));
}

TEST_F(TrackerTest, AFolderThatVanishesKeepsItsLastState) {
  std::filesystem::create_directory(dir_);
  write(dir_ / "a.yaml", service_yaml("a"));
  follow(dir_);
  pass(milliseconds{1});
  changes();
  std::filesystem::remove_all(dir_);  // deletes the file first
  events();
  pass(seconds{30});
  EXPECT_THAT(changes(), IsEmpty());
  EXPECT_EQ(only_problem(), "is gone; what it said stays in force");

  // An empty one in its place says nothing yet; once something is in it, it is believed.
  std::filesystem::create_directory(dir_);
  pass(seconds{30});
  EXPECT_THAT(changes(), IsEmpty());
  EXPECT_THAT(only_problem(), HasSubstr("holds no manifest; what it said stays in force"));
  write(dir_ / "b.yaml", service_yaml("b"));
  events();
  EXPECT_THAT(changes(), ElementsAre("+b"));
  EXPECT_THAT(tracker_->problems(), IsEmpty());
  pass(seconds{1});
  EXPECT_THAT(changes(), ElementsAre("-a"));
}

TEST_F(TrackerTest, AFolderThatIsMovedAndReplacedIsNoticedWithoutEvents) {
  std::filesystem::create_directory(folder_ / "v1");
  write(folder_ / "v1/a.yaml", service_yaml("a"));
  std::filesystem::create_directory(folder_ / "v2");
  write(folder_ / "v2/a.yaml", service_yaml("a", "10.96.0.2"));
  std::filesystem::create_directory_symlink("v1", dir_);
  follow(dir_);
  pass(milliseconds{1});
  EXPECT_THAT(changes(), ElementsAre("+a"));
  std::filesystem::create_directory_symlink("v2", folder_ / "new");
  std::filesystem::rename(folder_ / "new", dir_);
  pass(seconds{3});
  EXPECT_THAT(changes(), ElementsAre("+a"));
  // And the new one is watched.
  write(folder_ / "v2/b.yaml", service_yaml("b"));
  events();
  EXPECT_THAT(changes(), ElementsAre("+b"));
}

TEST_F(TrackerTest, ASingleFileThatVanishesKeepsItsLastStateToo) {
  write(folder_ / "web.yaml", service_yaml("a"));
  follow(folder_ / "web.yaml");
  pass(milliseconds{1});
  EXPECT_THAT(changes(), ElementsAre("+a"));
  std::filesystem::remove(folder_ / "web.yaml");
  events();
  pass(seconds{2});
  EXPECT_THAT(changes(), IsEmpty());
  EXPECT_EQ(only_problem(), "is gone; what it said stays in force");
  write(folder_ / "web.yaml", service_yaml("b"));
  pass(milliseconds{100});
  EXPECT_THAT(changes(), ElementsAre("-a", "+b"));
  // Others in the same folder are none of its business.
  write(folder_ / "other.yaml", service_yaml("c"));
  events();
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_F(TrackerTest, AChangeBehindALinkIsFoundByLookingOnceItHasSettled) {
  std::filesystem::create_directory(dir_);
  write(folder_ / "elsewhere", service_yaml("a"));
  std::filesystem::create_symlink(folder_ / "elsewhere", dir_ / "a.yaml");
  follow(dir_);
  pass(milliseconds{1});
  changes();
  write(folder_ / "elsewhere", service_yaml("longer-name"));
  events();
  pass(milliseconds{10'000});
  EXPECT_THAT(changes(), IsEmpty());  // seen, but it may be half-written
  pass(milliseconds{1'000});
  EXPECT_THAT(changes(), ElementsAre("-a", "+longer-name"));
}

// While it lives this process opens no more files.
class NoDescriptorsLeft {
 public:
  NoDescriptorsLeft() {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const rlimit none{.rlim_cur = 0, .rlim_max = before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  }
  ~NoDescriptorsLeft() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptorsLeft(const NoDescriptorsLeft&) = delete;
  NoDescriptorsLeft& operator=(const NoDescriptorsLeft&) = delete;

 private:
  rlimit before_{};
};

TEST_F(TrackerTest, AFileThatNoDescriptorWasLeftForIsReadSoonAfter) {
  std::filesystem::create_directory(dir_);
  write(dir_ / "a.yaml", service_yaml("a"));
  follow(dir_);
  pass(milliseconds{1});
  changes();
  write(dir_ / "a.yaml", service_yaml("a", "10.96.0.2"));
  {
    const NoDescriptorsLeft shortage;
    events();
    EXPECT_THAT(only_problem(), HasSubstr("Too many open files"));
    pass(seconds{5});  // listing the folder fails, too
    EXPECT_THAT(changes(), IsEmpty());
  }
  pass(seconds{3});
  EXPECT_THAT(changes(), ElementsAre("+a"));
  EXPECT_THAT(tracker_->problems(), IsEmpty());
}

TEST_F(TrackerTest, AnUnreadableFileIsTriedAgain) {
  std::filesystem::create_directory(dir_);
  std::filesystem::create_symlink("/dev/null", dir_ / "a.yaml");
  follow(dir_);
  pass(milliseconds{1});
  EXPECT_THAT(only_problem(), HasSubstr("is not a regular file"));
  write(folder_ / "elsewhere", service_yaml("a"));
  std::filesystem::create_symlink(folder_ / "elsewhere", dir_ / "new");
  std::filesystem::rename(dir_ / "new", dir_ / "a.yaml");
  events();
  EXPECT_THAT(changes(), ElementsAre("+a"));
  EXPECT_THAT(tracker_->problems(), IsEmpty());
}

}  // namespace
}  // namespace proxy::sources::manifests
