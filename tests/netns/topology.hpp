// The network of tests/conformance/flows/TOPOLOGY.md as namespaces.
//
//   pods of node-a ── node-a ──┐                 ┌── node-b ── pods of node-b
//   (one namespace each)       ├── lan (bridge) ─┤
//   clients, blocked clients ──┘                 ├── node-c ── pods of node-c
//                                                └── upstream
//
// The nodes and upstream always exist; a pod or a client gets its namespace when it is first asked
// for. Everything sends what it has no better route for to node-a, except node-a, whose default
// gateway is upstream.
#pragma once

#include "proxy/ip_address.hpp"
#include "tests/netns/network_namespace.hpp"
#include "tests/netns/rtnetlink.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

namespace netns {

// What a packet can come from or arrive at.
struct Party {
  Party(std::string its_name, bool forwards)
      : name{std::move(its_name)}, net{forwards}, links{net} {}
  std::string name;  // "node-a", "pod 10.180.0.1", "upstream"
  NetworkNamespace net;
  Rtnetlink links;
};

class Topology {
 public:
  Topology();

  [[nodiscard]] Party& node_a() const { return *node_a_; }
  [[nodiscard]] Party& upstream() const { return *upstream_; }
  // The party that has the address, by the ranges of TOPOLOGY.md; a pod or a client is made when it
  // is not there yet. Throws LabError when the address is in no party's range.
  Party& owner(const proxy::IpAddress& address);

  // Where a packet to `address` ends that nobody translates: node-a for its own addresses, upstream
  // (which takes the address) for all that no other party has.
  Party& literal_destination(const proxy::IpAddress& address);

  // To node-a's loopback interface; everybody learns the way there. Does nothing if it has it.
  void add_node_address(const proxy::IpAddress& address);

  // node-a's addresses without loopback's.
  [[nodiscard]] const std::set<proxy::IpAddress>& node_addresses() const { return node_addresses_; }
  [[nodiscard]] bool is_on_node_a(const proxy::IpAddress& address) const;  // itself or its pods
  [[nodiscard]] static bool is_external(const proxy::IpAddress& address);

  // Every namespace by name, for people who want a shell in it.
  [[nodiscard]] std::map<std::string, int> descriptors() const;

 private:
  struct Pods {
    Party* node;
    proxy::IpPrefix range;
  };
  Party& add_party(std::string name, bool forwards);
  void join_lan(Party& party, std::uint8_t id);
  Party& add_pod(const proxy::IpAddress& address, Party& node);
  Party& add_client(const proxy::IpAddress& address);

  std::map<std::string, std::unique_ptr<Party>, std::less<>> parties_;
  std::map<proxy::IpAddress, Party*> made_;
  std::vector<Pods> pods_;
  std::set<proxy::IpAddress> node_addresses_;
  std::set<proxy::IpAddress> upstream_addresses_;
  Party* lan_ = nullptr;
  Party* node_a_ = nullptr;
  Party* upstream_ = nullptr;
  std::uint8_t next_client_ = 16;  // ids below are the fixed hosts'
  unsigned next_pod_ = 0;
};

}  // namespace netns
