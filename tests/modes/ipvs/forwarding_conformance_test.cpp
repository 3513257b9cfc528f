// Every case of tests/conformance/ipvs.yaml: which virtual servers, addresses and sets the objects
// make. kube-proxy's ipsets are our nf_tables sets by other names.
#include "modes/ipvs/forwarding.hpp"
#include "modes/ipvs/holdings.hpp"
#include "proxy/records/decode.hpp"
#include "proxy/state/service_table.hpp"
#include "tests/netns/scenario.hpp"

#include <gmock/gmock.h>
#include <yaml-cpp/yaml.h>

#include <set>
#include <string>

namespace modes::ipvs {
namespace {

using proxy::records::Kind;
using proxy::state::ServiceTable;
using Texts = std::set<std::string>;

// What the proxy of the cases is told, and what its node is.
struct Node {
  Settings settings;
  NodeFacts facts;
};

Node node_of(const YAML::Node& common, const YAML::Node& item) {
  Node out;
  for (const auto& text : common["proxy"]["nodeIPs"]) {
    out.facts.addresses.push_back(*proxy::parse_ip(text.as<std::string>()));
  }
  std::ranges::sort(out.facts.addresses);
  out.facts.primary_ips = {*proxy::parse_ip("192.168.0.2"), *proxy::parse_ip("2001:db8::2")};
  for (const auto& text : item["nodePortAddresses"]) {
    out.settings.node_port_addresses.ranges.push_back(*proxy::parse_prefix(text.as<std::string>()));
  }
  out.settings.scheduler = *parse_scheduler(item["scheduler"].as<std::string>());
  return out;
}

void take(ServiceTable& table, const YAML::Node& apply, const YAML::Node& remove) {
  proxy::records::Decoder decoder;
  std::vector<proxy::sources::Change> changes;
  for (const auto& object : apply) {
    auto outcome = decoder.decode_object(netns::parse_object(object).json);
    auto* decoded = std::get_if<proxy::records::Decoded>(&outcome);
    ASSERT_NE(decoded, nullptr);
    changes.emplace_back(std::move(decoded->record));
  }
  for (const auto& key : remove) {
    const auto kind =
        key["kind"].as<std::string>() == "Service" ? Kind::service : Kind::endpoint_slice;
    changes.emplace_back(proxy::sources::Removal{
        {kind, {key["namespace"].as<std::string>(), key["name"].as<std::string>()}}});
  }
  table.change(changes);
}

std::string text_of(const VirtualServerKey& key, const VirtualServer& server) {
  std::string text = key.text() + " " + server.scheduler.name;
  if (server.persistence.count() > 0) {
    text += " persistent " + std::to_string(server.persistence.count());
  }
  for (const auto& real : server.real_servers) {
    text += " -> " + real.endpoint.text() + " weight " + std::to_string(real.weight);
  }
  return text;
}

std::string expected_text(const YAML::Node& item) {
  const auto protocol = *proxy::parse_protocol(item["protocol"].as<std::string>());
  const VirtualServerKey key{*proxy::parse_ip(item["address"].as<std::string>()),
                             Port{item["port"].as<std::uint16_t>()}, protocol};
  VirtualServer server;
  server.scheduler.name = item["scheduler"].as<std::string>();
  if (item["persistenceTimeout"]) {
    server.persistence = std::chrono::seconds{item["persistenceTimeout"].as<int>()};
  }
  for (const auto& real : item["realServers"]) {
    server.real_servers.push_back({{*proxy::parse_ip(real["address"].as<std::string>()),
                                    Port{real["port"].as<std::uint16_t>()}},
                                   real["weight"].as<std::uint32_t>()});
  }
  std::ranges::sort(server.real_servers, {}, &RealServer::endpoint);
  return text_of(key, server);
}

// "172.30.0.41,tcp:80" as kube-proxy writes an entry.
std::string entry(const VirtualServerKey& key) {
  return key.address.text() + "," + std::string{lower_name(key.protocol)} + ":" +
         std::to_string(key.port.value);
}

// Entries of those of the case's ipsets whose name, without KUBE- and KUBE-6-, is one of `names`.
Texts sets(const YAML::Node& ipsets, std::initializer_list<std::string_view> names) {
  Texts out;
  for (const auto& set : ipsets) {
    auto name = set.first.as<std::string>();
    name.erase(0, name.starts_with("KUBE-6-") ? 7 : 5);
    if (std::ranges::find(names, name) == names.end()) continue;
    for (const auto& one : set.second) out.insert(one.as<std::string>());
  }
  return out;
}
Texts without(Texts all, const Texts& those) {
  for (const auto& text : those) all.erase(text);
  return all;
}

class IpvsConformance {
 public:
  explicit IpvsConformance(Node node) : node_{std::move(node)} {}

  void expect(const ServiceTable& table, const YAML::Node& expected) {
    update(table);
    Texts servers, addresses;
    for (const auto& [key, server] : servers_) servers.insert(text_of(key, server));
    holdings_.addresses.for_each(
        [&](const IpAddress& ip, std::monostate) { addresses.insert(ip.text()); });
    Texts expected_servers, expected_addresses;
    for (const auto& one : expected["virtualServers"]) expected_servers.insert(expected_text(one));
    for (const auto& one : expected["kubeIpvs0"]) {
      expected_addresses.insert(proxy::parse_ip(one.as<std::string>())->text());
    }
    EXPECT_EQ(servers, expected_servers);
    EXPECT_EQ(addresses, expected_addresses);
    expect_sets(expected["ipsets"]);
  }

 private:
  void update(const ServiceTable& table) {
    for (const auto& name : holdings_.names()) {
      if (table.find(name) == nullptr) holdings_.set(name, nullptr);
    }
    servers_.clear();
    table.for_each([&](const ServicePortName& name, const proxy::state::ServicePort& port) {
      auto one = forwarding_of(name, port, node_.settings, node_.facts);
      holdings_.set(name, &one);
      servers_.merge(one.servers);
    });
  }

  void expect_sets(const YAML::Node& ipsets) {
    std::map<Fate, Texts> vips, ports;
    holdings_.vips.for_each(
        [&](const VirtualServerKey& key, Fate fate) { vips[fate].insert(entry(key)); });
    holdings_.node_ports.for_each([&](const NodePortKey& key, Fate fate) {
      // Of SCTP kube-proxy lists each address; of the others the port.
      ports[fate].insert(std::to_string(key.port.value));
    });
    Texts sources;
    holdings_.sources.for_each([&](const AllowedSource& source, std::monostate) {
      sources.insert(entry(source.vip) + "," + source.source.text());
    });
    EXPECT_EQ(vips[Fate::cluster_ip], sets(ipsets, {"CLUSTER-IP"}));
    const auto local = sets(ipsets, {"EXTERNAL-IP-LOCAL", "LOAD-BALANCER-LOCAL"});
    const auto restricted = sets(ipsets, {"LOAD-BALANCER-FW"});
    const auto masqueraded = without(sets(ipsets, {"EXTERNAL-IP", "LOAD-BALANCER"}), local);
    EXPECT_EQ(vips[Fate::external], without(masqueraded, restricted));
    EXPECT_EQ(vips[Fate::local], without(local, restricted));
    EXPECT_EQ(sources, sets(ipsets, {"LOAD-BALANCER-SOURCE-CIDR"}));
    const auto local_ports = sets(ipsets, {"NODE-PORT-LOCAL-TCP", "NODE-PORT-LOCAL-UDP"});
    EXPECT_EQ(ports[Fate::health], sets(ipsets, {"HEALTH-CHECK-NODE-PORT"}));
    if (sets(ipsets, {"NODE-PORT-SCTP-HASH"}).empty()) {
      EXPECT_EQ(ports[Fate::local], local_ports);
      EXPECT_EQ(ports[Fate::external],
                without(sets(ipsets, {"NODE-PORT-TCP", "NODE-PORT-UDP"}), local_ports));
    }
  }

  Node node_;
  Holdings holdings_;
  VirtualServers servers_;
};

TEST(IpvsForwardingConformance, EveryCaseMakesItsServersAddressesAndSets) {
  const auto file = YAML::LoadFile(VIADUCT_CONFORMANCE "/ipvs.yaml");
  std::size_t states = 0;
  for (const auto& item : file["cases"]) {
    SCOPED_TRACE(item["name"].as<std::string>());
    ServiceTable table{{.name = "node-a"}};
    IpvsConformance check{node_of(file["common"], item)};
    take(table, item["objects"], {});
    check.expect(table, item["expect"]);
    ++states;
    for (const auto& step : item["steps"]) {
      SCOPED_TRACE(step["name"].as<std::string>());
      take(table, step["apply"], step["delete"]);
      check.expect(table, step["expect"]);
      ++states;
    }
  }
  EXPECT_GE(states, 25U);
}

}  // namespace
}  // namespace modes::ipvs
