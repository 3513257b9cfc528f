#include "modes/userspace/descriptors.hpp"

#include <sys/resource.h>

#include <algorithm>

namespace modes::userspace {
namespace {

constexpr std::int64_t kOwn = 128;        // log, netlink, records, status servers and their clients
constexpr std::int64_t kOfAWorker = 128;  // listeners, and pipes at two descriptors each
constexpr std::int64_t kLeast = 16;

}  // namespace

std::int64_t descriptors_for_connections(std::size_t workers) {
  rlimit limit{};
  (void)::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
  (void)::getrlimit(RLIMIT_NOFILE, &limit);
  constexpr rlim_t kMost = 1U << 30U;  // also of RLIM_INFINITY
  const auto all = static_cast<std::int64_t>(std::min(limit.rlim_cur, kMost));
  return std::max(kLeast, all - kOwn - kOfAWorker * static_cast<std::int64_t>(workers));
}

}  // namespace modes::userspace
