// The kernel's IPVS as the mode sees it: an interface, so that a test can put a fake in its place
// that fails where the real one cannot be made to.
#pragma once

#include "modes/ipvs/plan.hpp"
#include "modes/ipvs/settings.hpp"
#include "modes/mode.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace modes::ipvs {

struct Statistics {  // since the server was added
  std::uint64_t connections = 0;
  std::uint64_t packets_in = 0, packets_out = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0;

  Statistics& operator+=(const Statistics& other);
  friend bool operator==(const Statistics&, const Statistics&) = default;
};

struct ObservedRealServer {
  RealServer server;
  std::uint32_t active = 0;    // connections that are established
  std::uint32_t inactive = 0;  // and others that IPVS still remembers
  Statistics statistics;

  [[nodiscard]] bool busy() const { return active != 0 || inactive != 0; }
  friend bool operator==(const ObservedRealServer&, const ObservedRealServer&) = default;
};

struct ObservedVirtualServer {
  Scheduler scheduler;
  std::chrono::seconds persistence{0};
  Statistics statistics;
  std::vector<ObservedRealServer> real_servers;  // sorted by endpoint

  [[nodiscard]] VirtualServer server() const;
  friend bool operator==(const ObservedVirtualServer&, const ObservedVirtualServer&) = default;
};
// Those by firewall mark are nobody's but their maker's, and never among these.
using Observed = std::map<VirtualServerKey, ObservedVirtualServer>;

struct RefusedStep {
  std::size_t step = 0;
  Error error;
};

class IpvsKernel {
 public:
  virtual ~IpvsKernel() = default;

  // Virtual and real servers of this network namespace. Fails with ENOENT, and a text that names
  // the module, where the kernel has no IPVS.
  virtual Awaitable<Result<Observed>> observe() = 0;
  // Takes the steps in order; one that is refused does not stop those behind it. An Error says that
  // it is not known which were taken.
  virtual Result<std::vector<RefusedStep>> apply(std::span<const Step> steps) = 0;
  // Of one virtual server; empty if there is no such.
  virtual Result<std::vector<ObservedRealServer>> real_servers(const VirtualServerKey& key) = 0;
  // The virtual server with its real servers; nullopt if there is no such.
  virtual Result<std::optional<ObservedVirtualServer>> look(const VirtualServerKey& key) = 0;
  // Those of the settings that are not 0.
  virtual Result<void> set_timeouts(const Settings& settings) = 0;
};

}  // namespace modes::ipvs
