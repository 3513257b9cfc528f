#include "proxy/host/process.hpp"

#include "proxy/unique_fd.hpp"

#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

namespace proxy::host {
namespace {

struct FreeAddresses {
  void operator()(ifaddrs* list) const noexcept { ::freeifaddrs(list); }
};

void append_address(const ifaddrs& entry, std::vector<IpAddress>& to) {
  if (entry.ifa_addr == nullptr || (entry.ifa_flags & IFF_UP) == 0) return;
  if (entry.ifa_addr->sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, entry.ifa_addr, sizeof v4);
    to.push_back(IpAddress::v4(ntohl(v4.sin_addr.s_addr)));
  } else if (entry.ifa_addr->sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, entry.ifa_addr, sizeof v6);
    const auto address =
        IpAddress::from_bytes(Family::v6, std::as_bytes(std::span{v6.sin6_addr.s6_addr}));
    if (!address.is_link_local()) to.push_back(address);
  }
}

}  // namespace

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return {};
  return name.data();
}

unsigned cpu_count() {
  cpu_set_t cpus;
  if (::sched_getaffinity(0, sizeof cpus, &cpus) != 0) return 1;
  return static_cast<unsigned>(std::max(CPU_COUNT(&cpus), 1));
}

Result<void> set_oom_score_adj(std::int32_t value) {
  const auto text = std::to_string(value);
  const auto what = "set oom_score_adj to " + text;
  const UniqueFd fd{::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC)};
  if (!fd || ::write(fd.get(), text.data(), text.size()) < 0) return system_error(errno, what);
  return {};
}

std::vector<IpAddress> local_addresses() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return {};
  const std::unique_ptr<ifaddrs, FreeAddresses> owner{list};
  std::vector<IpAddress> addresses;
  for (const auto* entry = list; entry != nullptr; entry = entry->ifa_next) {
    append_address(*entry, addresses);
  }
  std::ranges::sort(addresses);
  addresses.erase(std::ranges::unique(addresses).begin(), addresses.end());
  return addresses;
}

}  // namespace proxy::host
