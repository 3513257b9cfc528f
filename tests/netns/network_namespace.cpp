#include "tests/netns/network_namespace.hpp"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <utility>

namespace netns {
namespace {

using proxy::UniqueFd;

constexpr auto kOwnNamespace = "/proc/thread-self/ns/net";

UniqueFd open_own_namespace() {
  UniqueFd fd{::open(kOwnNamespace, O_RDONLY | O_CLOEXEC)};
  if (!fd) fail_with_errno(std::string{"open "} + kOwnNamespace);
  return fd;
}

void enter(int fd) {
  if (::setns(fd, CLONE_NEWNET) != 0) fail_with_errno("setns");
}

// /proc/sys/net shows the namespace of the thread that looks.
void write_sysctl(const std::string& name, const std::string& value) {
  const auto path = "/proc/sys/net/" + name;
  const UniqueFd fd{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  if (!fd) fail_with_errno("open " + path);
  const auto line = value + "\n";
  if (::write(fd.get(), line.data(), line.size()) < 0) fail_with_errno("write " + path);
}

void bring_loopback_up() {
  const UniqueFd socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (!socket) fail_with_errno("socket");
  ifreq request{};
  std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP;
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) fail_with_errno("bring lo up");
}

void apply_settings(bool forwards) {
  const std::string forwarding = forwards ? "1" : "0";
  const std::array<std::pair<const char*, std::string>, 16> settings{{
      {"ipv4/ip_forward", forwarding},
      {"ipv6/conf/all/forwarding", forwarding},
      {"ipv4/conf/all/rp_filter", "0"},
      {"ipv4/conf/default/rp_filter", "0"},
      {"ipv4/conf/all/send_redirects", "0"},
      {"ipv4/conf/default/send_redirects", "0"},
      {"ipv4/conf/all/accept_redirects", "0"},
      {"ipv6/conf/all/accept_redirects", "0"},
      {"ipv6/conf/default/accept_redirects", "0"},
      {"ipv6/conf/all/accept_dad", "0"},
      {"ipv6/conf/default/accept_dad", "0"},
      {"ipv6/conf/default/addr_gen_mode", "1"},
      {"ipv4/icmp_ratelimit", "0"},
      {"ipv4/icmp_ratemask", "0"},
      {"ipv6/icmp/ratelimit", "0"},
      {"ipv6/icmp/ratemask", ""},
  }};
  for (const auto& [name, value] : settings) write_sysctl(name, value);
}

}  // namespace

void fail_with_errno(const std::string& what) {
  throw LabError{what + ": " + std::system_category().message(errno)};
}

std::string why_no_namespaces() {
  if (::geteuid() != 0) return "needs root: the lab is made of network namespaces";
  const UniqueFd home{::open(kOwnNamespace, O_RDONLY | O_CLOEXEC)};
  if (!home) return "/proc is not mounted";
  if (::unshare(CLONE_NEWNET) != 0) {
    return "cannot make network namespaces: " + std::system_category().message(errno);
  }
  enter(home.get());
  return {};
}

void take_private_run() {
  if (::unshare(CLONE_NEWNS) != 0) fail_with_errno("unshare mounts");
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    fail_with_errno("make mounts private");
  }
  if (::mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755") != 0) {
    fail_with_errno("mount a private /run");
  }
}

NetworkNamespace::NetworkNamespace(bool forwards) {
  const auto home = open_own_namespace();
  if (::unshare(CLONE_NEWNET) != 0) fail_with_errno("unshare network");
  try {
    fd_ = open_own_namespace();
    bring_loopback_up();
    apply_settings(forwards);
  } catch (...) {
    enter(home.get());
    throw;
  }
  enter(home.get());
}

void NetworkNamespace::set(const std::string& sysctl, const std::string& value) const {
  const Inside inside{*this};
  write_sysctl(sysctl, value);
}

Inside::Inside(const NetworkNamespace& net) : home_{open_own_namespace()} {
  enter(net.fd());
}

Inside::~Inside() {
  // Going on in the wrong namespace would let tests touch the host's network.
  if (::setns(home_.get(), CLONE_NEWNET) != 0) std::abort();
}

}  // namespace netns
