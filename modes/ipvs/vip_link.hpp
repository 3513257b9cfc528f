// The dummy link kube-ipvs0, which makes VIPs addresses of this machine, so that packets for them
// come to IPVS; and what other addresses the machine has (rtnetlink(7), by libnl-route).
//
// The link is never set up: its addresses are local nevertheless, and nothing is ever sent there.
#pragma once

#include "modes/ipvs/libnl_socket.hpp"
#include "proxy/ip_address.hpp"

#include <cstdint>
#include <set>
#include <span>
#include <vector>

namespace modes::ipvs {

using proxy::IpAddress;

inline constexpr const char* kVipLink = "kube-ipvs0";

struct MachineAddresses {
  std::set<IpAddress> vips;       // on kube-ipvs0
  std::vector<IpAddress> others;  // on all other links, sorted, each once; no IPv6 link-local ones
};

class VipLink {
 public:
  [[nodiscard]] static Result<VipLink> open();

  // Makes the link if it is not there.
  [[nodiscard]] Result<void> ensure();
  [[nodiscard]] Result<MachineAddresses> addresses();
  // Takes addresses away and puts others there. That one is gone, or there, already is fine.
  // Fails with the first that is refused. Requires ensure().
  [[nodiscard]] Result<void> change(std::span<const IpAddress> remove,
                                    std::span<const IpAddress> add);
  // Takes the link away, with its addresses. That there is none is fine; true if there was one.
  [[nodiscard]] Result<bool> remove();

  // What has happened to links and addresses since the last call, apart from what change() did.
  struct News {
    bool node_addresses = false;  // another link's came or went
    bool vips = false;            // somebody took the link away, or an address from it
    [[nodiscard]] bool any() const { return node_addresses || vips; }
  };
  [[nodiscard]] News news();
  [[nodiscard]] int news_fd() const { return monitor_.fd(); }  // readable when there may be some

 private:
  VipLink(LibnlSocket requests, LibnlSocket monitor)
      : requests_{std::move(requests)}, monitor_{std::move(monitor)} {}

  [[nodiscard]] Result<void> send(std::span<const IpAddress> addresses, bool add);
  void read_news(nlmsghdr* message, News& into);

  LibnlSocket requests_;
  LibnlSocket monitor_;
  int index_ = 0;                           // of the link; 0: not known
  std::multiset<IpAddress> removed_by_us_;  // whose notification is still to come
};

}  // namespace modes::ipvs
