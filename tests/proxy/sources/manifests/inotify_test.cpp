#include "proxy/sources/manifests/inotify.hpp"

#include <gmock/gmock.h>

#include <sys/inotify.h>

#include <cstring>
#include <vector>

namespace proxy::sources::manifests {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// As the kernel lays an event out, its name padded to 16 bytes.
void append(std::vector<std::byte>& buffer, int wd, std::uint32_t mask, std::string_view name) {
  const auto padded = name.empty() ? 0 : (name.size() / 16 + 1) * 16;
  inotify_event event{};
  event.wd = wd;
  event.mask = mask;
  event.len = static_cast<std::uint32_t>(padded);
  const auto at = buffer.size();
  buffer.resize(at + sizeof event + padded);
  std::memcpy(buffer.data() + at, &event, sizeof event);
  std::memcpy(buffer.data() + at + sizeof event, name.data(), name.size());
}

TEST(Inotify, EventsAreSummedUpByFile) {
  std::vector<std::byte> buffer;
  append(buffer, 1, IN_CREATE, "a.yaml");
  append(buffer, 1, IN_CLOSE_WRITE, "a.yaml");
  append(buffer, 1, IN_MOVED_TO, "a-name-that-needs-padding.yaml");
  append(buffer, 1, IN_DELETE, "b.yaml");
  append(buffer, 1, IN_MOVED_FROM, "c.yaml");
  append(buffer, 1, IN_ATTRIB, "d.yaml");
  const auto events = parse_events(buffer, 1);
  EXPECT_THAT(events.written, ElementsAre("a-name-that-needs-padding.yaml", "a.yaml"));
  EXPECT_THAT(events.created, ElementsAre("a.yaml"));
  EXPECT_THAT(events.gone, ElementsAre("b.yaml", "c.yaml"));
  EXPECT_THAT(events.permitted, ElementsAre("d.yaml"));
  EXPECT_FALSE(events.folder_gone || events.overflow);
}

TEST(Inotify, EventsOfFormerWatchesAreSkippedButForAnOverflow) {
  std::vector<std::byte> buffer;
  append(buffer, 1, IN_CLOSE_WRITE, "a.yaml");
  append(buffer, 1, IN_IGNORED, "");
  append(buffer, -1, IN_Q_OVERFLOW, "");
  const auto events = parse_events(buffer, 2);
  EXPECT_THAT(events.written, IsEmpty());
  EXPECT_FALSE(events.folder_gone);
  EXPECT_TRUE(events.overflow);
}

TEST(Inotify, TheEndOfTheFolderIsTold) {
  for (const auto mask : {IN_DELETE_SELF, IN_MOVE_SELF, IN_UNMOUNT, IN_IGNORED}) {
    std::vector<std::byte> buffer;
    append(buffer, 1, static_cast<std::uint32_t>(mask), "");
    EXPECT_TRUE(parse_events(buffer, 1).folder_gone);
  }
}

TEST(Inotify, ABufferThatEndsWithinAnEventIsCutThere) {
  std::vector<std::byte> buffer;
  append(buffer, 1, IN_CLOSE_WRITE, "a.yaml");
  const auto whole = buffer.size();
  append(buffer, 1, IN_CLOSE_WRITE, "b.yaml");
  for (std::size_t size = 0; size < buffer.size(); ++size) {
    const auto events = parse_events(std::span{buffer}.first(size), 1);
    EXPECT_EQ(events.written.size(), size >= whole ? 1U : 0U) << size;
  }
}

}  // namespace
}  // namespace proxy::sources::manifests
