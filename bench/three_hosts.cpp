#include "bench/three_hosts.hpp"

#include "bench/synthetic_cluster.hpp"

namespace bench {
namespace {

using netns::MacAddress;
using netns::NetworkNamespace;
using netns::Rtnetlink;
using proxy::IpAddress;
using proxy::IpPrefix;

// Both ends of each link know the other by a fixed neighbour entry for an address nobody has.
constexpr MacAddress kHostMac{2, 0, 0, 0, 0, 1}, kNodeMac{2, 0, 0, 0, 0, 2};
const IpAddress kGateway = IpAddress::v4(0xa9fe0101U);

void join(const NetworkNamespace& host, const NetworkNamespace& node, const std::string& device,
          const IpPrefix& behind, const std::vector<IpAddress>& addresses) {
  Rtnetlink here{host};
  Rtnetlink there{node};
  here.add_veth({"eth0", host, kHostMac}, {device, node, kNodeMac});
  here.connect("eth0", there, device);
  for (const auto& address : addresses) here.add_address("lo", address, 32);
  here.add_neighbour("eth0", kGateway, kNodeMac);
  here.add_route({.to = IpPrefix::of(IpAddress::any(proxy::Family::v4), 0),
                  .device = "eth0",
                  .via = kGateway});
  there.add_neighbour(device, kGateway, kHostMac);
  there.add_route({.to = behind, .device = device, .via = kGateway});
}

}  // namespace

ThreeHosts::ThreeHosts(int services) {
  std::vector<IpAddress> endpoints;
  for (const int i : {0, services - 1}) {
    for (int e = 0; e < kEndpointsPerService; ++e) endpoints.push_back(endpoint(i, e));
  }
  // The client is a pod too, so nothing is masqueraded.
  const auto client_address = IpAddress::v4(0x0abf0001U);
  join(client, node, "client", IpPrefix::host(client_address), {client_address});
  join(pod, node, "pod", cluster_cidr(), endpoints);
  client.set("ipv4/ip_local_port_range", "1024 65535");
  // Finished connections leave the table before it fills.
  node.set("netfilter/nf_conntrack_tcp_timeout_close", "1");
}

}  // namespace bench
