// The addresses of this node's interfaces, and notice of their change (rtnetlink(7)).
#pragma once

#include "proxy/ip_address.hpp"
#include "proxy/unique_fd.hpp"

#include <vector>

namespace modes::netfilter {

class NodeAddresses {
 public:
  [[nodiscard]] static proxy::Result<NodeAddresses> open();

  // Of all interfaces, sorted, link-local ones without.
  [[nodiscard]] static proxy::Result<std::vector<proxy::IpAddress>> list();

  // Readable when addresses have changed; drain() makes it unreadable again and says if they have.
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] bool drain();

 private:
  explicit NodeAddresses(proxy::UniqueFd fd) : fd_{std::move(fd)} {}
  proxy::UniqueFd fd_;
};

}  // namespace modes::netfilter
