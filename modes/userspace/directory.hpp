// Which service a VIP belongs to: every worker's own copy, changed by messages.
//
// A change comes in two halves. What is new is put in before the kernel steers it here; what is old
// is taken out when nothing of it is steered any more. So a connection always finds its service.
#pragma once

#include "modes/userspace/service.hpp"

#include <cstring>
#include <memory>
#include <unordered_map>

namespace modes::userspace {

using ServicePtr = std::shared_ptr<const Service>;

struct DirectoryChange {
  ServicePtr before;  // null: it was not there
  ServicePtr after;   // null: it is gone
};

class Directory {
 public:
  void put(const ServicePtr& service) {
    for (const auto& vip : service->vips()) services_[vip] = service;
  }
  // Takes out what still belongs to `change.before` and is not of `change.after`.
  void drop(const DirectoryChange& change) {
    if (!change.before) return;
    for (const auto& vip : change.before->vips()) {
      const auto it = services_.find(vip);
      if (it != services_.end() && it->second == change.before) services_.erase(it);
    }
  }
  // The service of that VIP, or else of that node port; null if there is none.
  [[nodiscard]] const ServicePtr* find(const Vip& vip) const {
    auto it = services_.find(vip);
    if (it == services_.end()) {
      it = services_.find(Vip::node_port(vip.address.family(), vip.port, vip.protocol));
    }
    return it == services_.end() ? nullptr : &it->second;
  }
  [[nodiscard]] std::size_t size() const { return services_.size(); }

 private:
  struct VipHash {
    std::size_t operator()(const Vip& vip) const noexcept {
      return std::hash<IpAddress>{}(vip.address) * 31 +
             (static_cast<std::size_t>(vip.port.value) << 8 |
              static_cast<std::size_t>(vip.protocol));
    }
  };
  std::unordered_map<Vip, ServicePtr, VipHash> services_;
};

}  // namespace modes::userspace
