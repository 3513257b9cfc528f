#include "proxy/host/successor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <cstdlib>

namespace proxy::host {
namespace {

using testing::Contains;
using testing::IsEmpty;

struct Pair {
  UniqueFd mine, other;
};
Pair connected() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  return {UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

std::string all_of(Pair pair) {
  pair.other.reset();
  std::string text;
  std::array<char, 256> some{};
  while (true) {
    const auto got = ::recv(pair.mine.get(), some.data(), some.size(), 0);
    if (got <= 0) return text;
    text.append(some.data(), static_cast<std::size_t>(got));
  }
}

// A successor that says what it was given, to its second socket.
Program telling(std::vector<std::string> environment = {}) {
  return {"/bin/sh",
          {"sh", "-c", "echo \"$# $1 $LISTEN_FDS ${LISTEN_PID-none} ${KEPT-none}\" >&4", "sh"},
          std::move(environment)};
}

int status_of(pid_t child) {
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

TEST(Successor, IsGivenTheSocketsTheArgumentAndTheEnvironmentOfItsPredecessor) {
  auto first = connected();
  auto second = connected();
  const std::array sockets{first.other.get(), second.other.get()};
  const auto child = start_successor(
      telling({"KEPT=yes", "LISTEN_FDS=9", "LISTEN_PID=1", "WATCHDOG_PID=1"}), "--more", sockets);
  ASSERT_TRUE(child) << child.error().text();
  EXPECT_EQ(status_of(*child), 0);
  EXPECT_EQ(all_of(std::move(second)), "1 --more 2 none yes\n");
}

TEST(Successor, OfASuccessorIsNotGivenTheArgumentTwice) {
  auto pair = connected();
  auto program = telling();
  program.arguments.emplace_back("--more");
  const std::array sockets{pair.other.get(), pair.other.get()};
  const auto child = start_successor(program, "--more", sockets);
  ASSERT_TRUE(child);
  EXPECT_EQ(status_of(*child), 0);
  EXPECT_EQ(all_of(std::move(pair)), "1 --more 2 none none\n");
}

TEST(Successor, ThatCannotBeStartedIsAnError) {
  const auto child = start_successor({"/nowhere/viaduct", {"viaduct"}, {}}, "--more", {});
  ASSERT_FALSE(child);
  EXPECT_EQ(child.error().code.value(), ENOENT);
}

TEST(Program, OfThisProcessIsWhatItWasStartedWith) {
  const auto program = Program::of_this_process();
  ASSERT_TRUE(program);
  EXPECT_NE(program->path.find("host_test"), std::string::npos);
  EXPECT_FALSE(program->arguments.empty());
  EXPECT_THAT(program->environment, Contains(testing::StartsWith("PATH=")));
}

TEST(InheritedSockets, AreNoneWhereTheyAreSomebodyElses) {
  ::setenv("LISTEN_FDS", "2", 1);
  ::setenv("LISTEN_PID", "1", 1);
  EXPECT_THAT(inherited_sockets(), IsEmpty());
  EXPECT_EQ(::getenv("LISTEN_FDS"), nullptr);
}

TEST(InheritedSockets, AreNoneWhereTheNumberIsNone) {
  for (const char* text : {"", "x", "-3", "2x"}) {
    ::setenv("LISTEN_FDS", text, 1);
    EXPECT_THAT(inherited_sockets(), IsEmpty()) << text;
  }
}

}  // namespace
}  // namespace proxy::host
