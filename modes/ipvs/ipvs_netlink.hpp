// The real IPVS, over generic netlink by libnl, of the network namespace in which it was opened.
#pragma once

#include "modes/ipvs/ipvs_kernel.hpp"
#include "modes/ipvs/libnl_socket.hpp"

#include <memory>
#include <vector>

namespace modes::ipvs {

class IpvsNetlink final : public IpvsKernel {
 public:
  // Fails without generic netlink only: whether there is an IPVS shows when it is used, and may
  // change.
  [[nodiscard]] static Result<std::unique_ptr<IpvsNetlink>> open();

  Awaitable<Result<Observed>> observe() override;
  Result<std::vector<RefusedStep>> apply(std::span<const Step> steps) override;
  Result<std::vector<ObservedRealServer>> real_servers(const VirtualServerKey& key) override;
  Result<std::optional<ObservedVirtualServer>> look(const VirtualServerKey& key) override;
  Result<void> set_timeouts(const Settings& settings) override;

  // Is there an IPVS? Lets the kernel load its module.
  [[nodiscard]] Result<void> find_family();

 private:
  explicit IpvsNetlink(LibnlSocket socket) : socket_{std::move(socket)} {}

  LibnlSocket socket_;
  int family_ = 0;  // 0: not known
  std::vector<std::byte> request_;
};

}  // namespace modes::ipvs
