// Brings IPVS' virtual servers to what is wanted, and remembers what it has of ours.
//
// Decides by plan.hpp and carries out through IpvsKernel: refused steps set their service port
// aside, a scheduler that the kernel lacks is replaced by rr, real servers that go are drained.
#pragma once

#include "modes/ipvs/drains.hpp"
#include "modes/ipvs/holdings.hpp"
#include "modes/ipvs/ipvs_kernel.hpp"

#include <functional>
#include <map>
#include <set>
#include <string>

namespace modes::ipvs {

class ServerSync {
 public:
  using Clock = std::function<Drains::Time()>;

  // `warn` is told once of each scheduler that the kernel lacks.
  ServerSync(IpvsKernel& kernel, std::chrono::seconds drain_limit, Clock now,
             std::function<void(const std::string&)> warn)
      : kernel_{kernel}, drains_{drain_limit}, now_{std::move(now)}, warn_{std::move(warn)} {}

  enum class Weights : std::uint8_t {
    restored,  // any weight but the wanted one is a remnant
    left       // a weight that somebody set while we ran stays
  };
  // What the kernel really has of ours, instead of what was acknowledged; `wanted` and the servers
  // in `ours`. The rest is others'.
  void observe(const Observed& seen, const VirtualServers& wanted,
               const std::function<bool(const VirtualServerKey&)>& ours, Weights weights);

  // Changes the servers of `keys`, those that the service ports `names` have or had, to what
  // `wanted` says of them. Returns the number of steps. Fails when the kernel has other servers
  // than we thought: observe() has to come next.
  [[nodiscard]] Result<std::size_t> change(std::span<const ServicePortName> names,
                                           const std::set<VirtualServerKey>& keys,
                                           const VirtualServers& wanted, const Holdings& holdings);
  // The same for all that there are or should be.
  [[nodiscard]] Result<std::size_t> change_all(const VirtualServers& wanted,
                                               const Holdings& holdings);

  // Removes the real servers that have drained. Returns how many.
  [[nodiscard]] Result<std::size_t> look_after_drains();

  [[nodiscard]] bool has(const VirtualServerKey& key) const { return has_.contains(key); }
  [[nodiscard]] std::size_t virtual_servers() const { return has_.size(); }
  [[nodiscard]] const Drains& drains() const { return drains_; }
  [[nodiscard]] std::vector<SetAside> set_aside() const;

 private:
  [[nodiscard]] Result<std::size_t> carry_out(const VirtualServers& actual,
                                              const VirtualServers& wanted,
                                              const Holdings& holdings);
  [[nodiscard]] Result<bool> apply(const std::vector<Step>& steps, const Holdings& holdings);
  [[nodiscard]] bool lacks_scheduler(const Step& step, const Error& error);
  [[nodiscard]] VirtualServers with_known_schedulers(const VirtualServers& wanted) const;
  void took(const Step& step);

  IpvsKernel& kernel_;
  Drains drains_;
  Clock now_;
  std::function<void(const std::string&)> warn_;
  VirtualServers has_;
  std::set<std::string> lacking_;  // schedulers
  std::map<ServicePortName, Error> set_aside_;
};

}  // namespace modes::ipvs
