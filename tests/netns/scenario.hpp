// A flow scenario as tests/conformance/flows/TOPOLOGY.md defines it: objects, packets, and what
// must happen to them.
#pragma once

#include "tests/netns/socket_address.hpp"

#include <yaml-cpp/yaml.h>

#include <chrono>
#include <compare>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace netns {

struct ObjectKey {
  std::string kind;
  std::string name_space;  // empty for cluster-wide kinds
  std::string name;
  friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;
};

struct Object {
  ObjectKey key;
  std::string json;
};

enum class Verdict : std::uint8_t { endpoints, drop, reject, pass, accept };

struct Expectation {
  Verdict verdict = Verdict::drop;
  // Verdict::endpoints: each that is reached, and whether it sees the node instead of the client.
  std::map<SocketAddress, bool> masquerade;

  [[nodiscard]] std::string text() const;
};

struct Flow {
  std::string name;
  IpAddress from;
  SocketAddress to;
  Protocol protocol = Protocol::tcp;
  Expectation expect;
  std::map<std::string, Expectation> expect_by_mode;
  std::set<std::string> modes;  // empty: all
  std::optional<int> repeat;
  bool sticky = false;
  std::string sticky_group;  // empty: none
  std::optional<std::chrono::milliseconds> wait_before_each;

  [[nodiscard]] std::string text() const;  // "TCP 10.0.0.1 -> 10.96.0.1:80"
  // Its connections depend on earlier ones, so they are made one by one, in the order written.
  [[nodiscard]] bool is_ordered() const {
    return sticky || !sticky_group.empty() || wait_before_each.has_value();
  }
};

struct Step {
  std::string name;
  std::vector<Object> apply;
  std::vector<ObjectKey> remove;
  std::vector<Flow> flows;
};

struct ProxySettings {
  std::string node_name;
  std::vector<IpAddress> node_ips;
  std::string cluster_cidr;
  std::vector<std::string> service_cidrs;
  bool masquerade_all = false;
  std::optional<std::vector<std::string>> node_port_addresses;
  std::optional<bool> localhost_node_ports;
  std::optional<std::string> detect_local_mode;
  std::vector<std::string> node_pod_cidrs;
  std::optional<std::string> zone;
  std::vector<IpAddress> extra_node_addresses;
  std::set<std::string> mode_only;  // empty: all
};

// Where an endpoint may be listening, by what the objects of all steps say.
struct Listener {
  SocketAddress at;
  Protocol protocol = Protocol::tcp;
  friend auto operator<=>(const Listener&, const Listener&) = default;
};

struct Scenario {
  std::string name;
  ProxySettings proxy;
  std::vector<Step> steps;  // the first is called "start": the objects present from the beginning
  std::set<Listener> listeners;
};

// Reads one scenario. Throws std::runtime_error that names the place for anything that is not of
// the schema: an unknown key, a missing one, a wrong value.
[[nodiscard]] Scenario parse_scenario(const YAML::Node& document);
[[nodiscard]] Scenario load_scenario(const std::filesystem::path& file);
[[nodiscard]] Flow parse_flow(const YAML::Node& node);
[[nodiscard]] Object parse_object(const YAML::Node& node);
// Of a list of objects.
[[nodiscard]] std::set<Listener> listeners_in(const YAML::Node& objects);

// Of a mode: its name, whose expectations and defaults it takes where the scenarios do not name it,
// whether endpoints see the node's address whoever the client is, and whether it ends connections
// itself: then no answer can take another way than through the node.
struct ModeTraits {
  std::string name;
  std::string stands_for;
  bool hides_sources = false;
  bool ends_connections = false;
};
[[nodiscard]] ModeTraits mode_traits(std::string_view name);

[[nodiscard]] bool applies(const Scenario& scenario, const ModeTraits& mode);
[[nodiscard]] bool applies(const Flow& flow, const ModeTraits& mode);
[[nodiscard]] const Expectation& expectation(const Flow& flow, const ModeTraits& mode);

}  // namespace netns
