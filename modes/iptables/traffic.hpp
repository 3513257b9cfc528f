// What the rules have counted, by service port and endpoint: connections begun, since a rule is met
// once for each. Of their bytes table nat sees those of first packets alone.
#pragma once

#include "modes/iptables/planner.hpp"
#include "modes/netfilter/translation_counts_netlink.hpp"

#include <optional>
#include <span>
#include <vector>

namespace modes::iptables {

class TrafficReader {
 public:
  // As Mode::traffic(). The planner may plan on meanwhile; the caller keeps it and the names.
  [[nodiscard]] Awaitable<std::vector<Traffic>> read(const Planner& planner,
                                                     std::span<const ServicePortName> names);

 private:
  std::optional<netfilter::TranslationCounts> counts_;  // from the first reading on
};

}  // namespace modes::iptables
