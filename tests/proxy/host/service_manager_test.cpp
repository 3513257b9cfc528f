#include "proxy/host/service_manager.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace proxy::host {
namespace {

using namespace std::chrono_literals;

// systemd's side of NOTIFY_SOCKET, at a path or an abstract name ('@').
class Listener {
 public:
  explicit Listener(const std::string& address) {
    sockaddr_un kernel{};
    kernel.sun_family = AF_UNIX;
    std::memcpy(kernel.sun_path, address.data(), address.size());
    if (address.front() == '@') kernel.sun_path[0] = '\0';
    fd_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const auto size = offsetof(sockaddr_un, sun_path) + address.size();
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&kernel), static_cast<socklen_t>(size)),
              0);
  }
  [[nodiscard]] std::string next() const {
    std::array<char, 1024> buffer{};
    const auto size = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    return size < 0 ? "nothing" : std::string(buffer.data(), static_cast<std::size_t>(size));
  }

 private:
  UniqueFd fd_;
};

class ServiceManagerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto pattern = (std::filesystem::temp_directory_path() / "viaduct-notify-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override {
    for (const auto* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
    std::filesystem::remove_all(folder_);
  }
  std::filesystem::path folder_;
};

TEST_F(ServiceManagerTest, TellsWhatSystemdListensFor) {
  for (const auto& address :
       {(folder_ / "notify").string(), "@viaduct-test-" + std::to_string(::getpid())}) {
    const Listener systemd{address};
    ::setenv("NOTIFY_SOCKET", address.c_str(), 1);
    const auto manager = ServiceManager::from_environment();
    manager.ready("all\nin force");
    manager.status("failing");
    manager.alive();
    manager.stopping();
    EXPECT_EQ(systemd.next(), "READY=1\nSTATUS=all\\nin force");
    EXPECT_EQ(systemd.next(), "STATUS=failing");
    EXPECT_EQ(systemd.next(), "WATCHDOG=1");
    EXPECT_EQ(systemd.next(), "STOPPING=1");
  }
}

TEST_F(ServiceManagerTest, IsSilentWithoutSystemd) {
  const auto manager = ServiceManager::from_environment();
  manager.ready("x");
  EXPECT_FALSE(manager.watchdog());
  for (const auto* address : {"", "relative", "/nowhere/at/all", "@"}) {
    ::setenv("NOTIFY_SOCKET", address, 1);
    ServiceManager::from_environment().ready("x");
  }
}

TEST_F(ServiceManagerTest, FollowsTheWatchdogThatIsMeantForIt) {
  const auto address = (folder_ / "notify").string();
  const Listener systemd{address};
  ::setenv("NOTIFY_SOCKET", address.c_str(), 1);
  EXPECT_FALSE(ServiceManager::from_environment().watchdog());
  ::setenv("WATCHDOG_USEC", "30000000", 1);
  EXPECT_EQ(ServiceManager::from_environment().watchdog(), 30s);
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  EXPECT_EQ(ServiceManager::from_environment().watchdog(), 30s);
  ::setenv("WATCHDOG_PID", "1", 1);
  EXPECT_FALSE(ServiceManager::from_environment().watchdog());
  ::unsetenv("WATCHDOG_PID");
  for (const auto* wrong : {"0", "-5", "soon", ""}) {
    ::setenv("WATCHDOG_USEC", wrong, 1);
    EXPECT_FALSE(ServiceManager::from_environment().watchdog()) << wrong;
  }
}

}  // namespace
}  // namespace proxy::host
