// Endpoint choice: which rules pick one endpoint of many, each with equal chance.
//
// Up to 16 endpoints stand in a row as kube-proxy has them. More are grouped by a hash of the
// endpoint into chains of their own, and groups again into 16: the first packet of a connection
// crosses some tens of rules however many endpoints there are, and a change of one endpoint
// rewrites its group and the chances on the way to it, nothing else.
#pragma once

#include "modes/netfilter/rule.hpp"
#include "proxy/state/endpoint_list.hpp"

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace modes::iptables {

using proxy::state::Endpoint;

struct Chain {
  netfilter::ChainName name;
  std::vector<netfilter::Rule> rules;
  friend bool operator==(const Chain&, const Chain&) = default;
};

// Appends to `rules` what chooses among `endpoints`, and to `chains` the groups' chains, named
// `group_prefix` and up to two hexadecimal digits. `choose` makes the rule that sends a packet to
// an endpoint; its probability is filled in here. Group rules carry `comment`.
void choose_endpoint(std::span<const Endpoint> endpoints, const std::string& group_prefix,
                     const std::string& comment,
                     const std::function<netfilter::Rule(const Endpoint&)>& choose,
                     std::vector<netfilter::Rule>& rules, std::vector<Chain>& chains);

}  // namespace modes::iptables
