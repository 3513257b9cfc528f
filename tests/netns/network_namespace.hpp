// Network namespaces as values: made without a name, gone when the last descriptor is closed, so
// that nothing is left behind however the process ends.
#pragma once

#include "proxy/unique_fd.hpp"

#include <stdexcept>
#include <string>

namespace netns {

// The lab cannot be built or has lost a part of itself: the test is over, its verdict is "broken".
struct LabError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// LabError with `what` and the text of errno.
[[noreturn]] void fail_with_errno(const std::string& what);

// Why namespaces cannot be made here (no root, a kernel without them); empty when they can.
[[nodiscard]] std::string why_no_namespaces();

// Gives this process a /run of its own (a mount namespace with a tmpfs), so that the lock and
// socket files of daemons in a lab meet nobody else's and vanish with the process. Call it before
// any thread is started. Throws LabError.
void take_private_run();

class NetworkNamespace {
 public:
  // A new namespace with loopback up and the lab's settings: forwarding as asked, no reverse-path
  // filter, no redirects, no duplicate address detection, no link-local
  // addresses of the kernel's making, no limit on ICMP errors. Throws LabError.
  explicit NetworkNamespace(bool forwards);

  [[nodiscard]] int fd() const { return fd_.get(); }

  // net.ipv4.… or net.ipv6.…, with dots as slashes ("ipv4/ip_forward"). Throws LabError.
  void set(const std::string& sysctl, const std::string& value) const;

 private:
  proxy::UniqueFd fd_;
};

// While it lives, the calling thread is in the namespace: sockets it opens belong there for good.
class Inside {
 public:
  explicit Inside(const NetworkNamespace& net);
  ~Inside();
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  proxy::UniqueFd home_;
};

}  // namespace netns
