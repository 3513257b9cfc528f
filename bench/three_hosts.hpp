// client ── node ── pod, each a network namespace, joined by veth; the pod has the endpoints of the
// first and the last service of synthetic_cluster.hpp.
#pragma once

#include "tests/netns/network_namespace.hpp"
#include "tests/netns/rtnetlink.hpp"

namespace bench {

struct ThreeHosts {
  explicit ThreeHosts(int services);

  netns::NetworkNamespace client{false}, node{true}, pod{false};
};

}  // namespace bench
