// What went through IPVS, by service port and endpoint, as metrics.
#pragma once

#include "modes/ipvs/holdings.hpp"
#include "modes/ipvs/ipvs_kernel.hpp"

#include <map>
#include <vector>

namespace modes::ipvs {

class TrafficFigures {
 public:
  // As IPVS counted until now. Servers that are nobody's are left out.
  void update(const Observed& seen, const Holdings& holdings);
  void append_to(std::vector<Mode::Figure>& figures) const;

 private:
  struct OfEndpoint {
    Statistics statistics;
    std::uint64_t active = 0, inactive = 0;
  };
  struct OfService {
    Statistics statistics;
    std::map<Endpoint, OfEndpoint> endpoints;
  };
  std::map<ServicePortName, OfService> services_;  // summed over a service port's VIPs
};

}  // namespace modes::ipvs
