#include "proxy/sources/manifests/load.hpp"

#include "tests/proxy/sources/manifests/samples.hpp"
#include "tests/proxy/sources/manifests/temporary_folder.hpp"

#include <gmock/gmock.h>

namespace proxy::sources::manifests {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<std::string> names(const Loaded& loaded) {
  std::vector<std::string> found;
  for (const auto& record : loaded.records) found.push_back(name_of(record).name);
  return found;
}

TEST(LoadManifests, TakesTheManifestsOfAFolderAndNothingElseInIt) {
  const TemporaryFolder folder;
  write(folder / "a.yaml", service_yaml("a"));
  write(folder / "b.yml", service_yaml("b"));
  write(folder / "c.json", R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"c"}})");
  write(folder / "README.md", "no manifest");
  write(folder / ".#a.yaml", "an editor's lock");
  write(folder / "a.yaml~", service_yaml("backup"));
  std::filesystem::create_directory(folder / "more.yaml");
  write(folder / "more.yaml/d.yaml", service_yaml("d"));
  std::filesystem::create_symlink("nowhere", folder / "dangling.yaml");

  const auto loaded = load(folder.path());

  ASSERT_TRUE(loaded) << loaded.error();
  EXPECT_THAT(names(*loaded), ElementsAre("a", "b", "c"));
  EXPECT_THAT(loaded->problems, IsEmpty());
}

TEST(LoadManifests, TakesASingleFileOfAnyName) {
  const TemporaryFolder folder;
  write(folder / "web", service_yaml("a") + "---\nkind: [\n");
  const auto loaded = load(folder / "web");
  ASSERT_TRUE(loaded) << loaded.error();
  EXPECT_THAT(names(*loaded), ElementsAre("a"));
  ASSERT_THAT(loaded->problems, SizeIs(1));
  EXPECT_EQ(loaded->problems[0].where, (folder / "web").string() + ", document at line 8");
}

TEST(LoadManifests, SaysWhatItSkipped) {
  const TemporaryFolder folder;
  write(folder / "a.yaml", "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}}");
  const auto loaded = load(folder.path());
  ASSERT_TRUE(loaded) << loaded.error();
  EXPECT_THAT(loaded->skipped, ElementsAre("a.yaml: apps/v1 Deployment web"));
}

TEST(LoadManifests, FailsForWhatIsNotThere) {
  const TemporaryFolder folder;
  const auto loaded = load(folder / "none");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, std::errc::no_such_file_or_directory);
}

TEST(LoadManifests, OneUnreadableFileIsAProblemAndTheOthersCount) {
  const TemporaryFolder folder;
  write(folder / "a.yaml", service_yaml("a"));
  std::filesystem::create_symlink("/dev/null", folder / "b.yaml");
  const auto loaded = load(folder.path());
  ASSERT_TRUE(loaded) << loaded.error();
  EXPECT_THAT(names(*loaded), ElementsAre("a"));
  ASSERT_THAT(loaded->problems, SizeIs(1));
  EXPECT_EQ(loaded->problems[0].where, (folder / "b.yaml").string());
}

}  // namespace
}  // namespace proxy::sources::manifests
