#include "tests/netns/scenario.hpp"

#include "tests/netns/yaml_to_json.hpp"

#include <cmath>
#include <initializer_list>
#include <stdexcept>

namespace netns {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw std::runtime_error{what};
}

// Every key of a mapping must be known: a key that nobody reads would be an expectation that nobody
// checks.
void allow_keys(const YAML::Node& map, std::initializer_list<std::string_view> known) {
  if (!map.IsMap()) refuse("expected a mapping");
  for (const auto& item : map) {
    const auto& key = item.first.Scalar();
    if (std::find(known.begin(), known.end(), key) == known.end()) refuse("unknown key " + key);
  }
}

YAML::Node required(const YAML::Node& map, const char* key) {
  const auto value = map[key];
  if (!value) refuse(std::string{"missing key "} + key);
  return value;
}

template <class T>
std::optional<T> optional(const YAML::Node& map, const char* key) {
  const auto value = map[key];
  if (!value) return std::nullopt;
  return value.as<T>();
}

std::vector<std::string> strings(const YAML::Node& map, const char* key) {
  return optional<std::vector<std::string>>(map, key).value_or(std::vector<std::string>{});
}

std::set<std::string> string_set(const YAML::Node& map, const char* key) {
  const auto all = strings(map, key);
  return {all.begin(), all.end()};
}

std::vector<IpAddress> addresses(const YAML::Node& map, const char* key) {
  std::vector<IpAddress> result;
  for (const auto& text : strings(map, key)) result.push_back(address(text));
  return result;
}

Expectation parse_expectation(const YAML::Node& node) {
  if (node.IsScalar()) {
    const std::map<std::string, Verdict> verdicts{{"DROP", Verdict::drop},
                                                  {"REJECT", Verdict::reject},
                                                  {"PASS", Verdict::pass},
                                                  {"ACCEPT", Verdict::accept}};
    const auto found = verdicts.find(node.Scalar());
    if (found == verdicts.end()) refuse("unknown verdict " + node.Scalar());
    return {.verdict = found->second, .masquerade = {}};
  }
  allow_keys(node, {"endpoints", "masquerade"});
  Expectation result{.verdict = Verdict::endpoints, .masquerade = {}};
  const auto masquerade = required(node, "masquerade");
  for (const auto& text : required(node, "endpoints").as<std::vector<std::string>>()) {
    const auto value = masquerade.IsMap() ? required(masquerade, text.c_str()) : masquerade;
    result.masquerade[parse_socket_address(text)] = value.as<bool>();
  }
  if (result.masquerade.empty()) refuse("no endpoints expected");
  return result;
}

std::vector<Flow> parse_flows(const YAML::Node& list) {
  std::vector<Flow> flows;
  for (const auto& item : list) flows.push_back(parse_flow(item));
  return flows;
}

ObjectKey parse_key(const YAML::Node& kind_owner, const YAML::Node& names) {
  return {.kind = required(kind_owner, "kind").as<std::string>(),
          .name_space = optional<std::string>(names, "namespace").value_or(""),
          .name = required(names, "name").as<std::string>()};
}

ProxySettings parse_proxy(const YAML::Node& node) {
  allow_keys(node, {"nodeName", "nodeIPs", "clusterCIDR", "serviceCIDRs", "masqueradeAll",
                    "nodePortAddresses", "localhostNodePorts", "detectLocalMode", "nodePodCIDRs",
                    "zone", "extraNodeAddresses", "mode-only"});
  ProxySettings settings;
  settings.node_name = required(node, "nodeName").as<std::string>();
  settings.node_ips = addresses(node, "nodeIPs");
  settings.cluster_cidr = optional<std::string>(node, "clusterCIDR").value_or("");
  settings.service_cidrs = strings(node, "serviceCIDRs");
  settings.masquerade_all = optional<bool>(node, "masqueradeAll").value_or(false);
  settings.node_port_addresses = optional<std::vector<std::string>>(node, "nodePortAddresses");
  settings.localhost_node_ports = optional<bool>(node, "localhostNodePorts");
  settings.detect_local_mode = optional<std::string>(node, "detectLocalMode");
  settings.node_pod_cidrs = strings(node, "nodePodCIDRs");
  settings.zone = optional<std::string>(node, "zone");
  settings.extra_node_addresses = addresses(node, "extraNodeAddresses");
  settings.mode_only = string_set(node, "mode-only");
  return settings;
}

// Legacy objects may write an address with blanks around it.
std::optional<IpAddress> sloppy_address(std::string text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\n'; };
  std::erase_if(text, is_blank);
  const auto parsed = proxy::parse_ip(text);
  return parsed ? std::optional{*parsed} : std::nullopt;
}

void collect(std::set<Listener>& into, const YAML::Node& owners, const YAML::Node& ports) {
  for (const auto& owner : owners) {
    // An EndpointSlice's endpoint has a list of addresses, an Endpoints subset's address an ip.
    const auto texts = owner["addresses"]
                           ? strings(owner, "addresses")
                           : std::vector{optional<std::string>(owner, "ip").value_or("")};
    for (const auto& text : texts) {
      const auto ip = sloppy_address(text);
      for (const auto& port : ports) {
        const auto number = optional<std::uint16_t>(port, "port");
        const auto protocol =
            proxy::parse_protocol(optional<std::string>(port, "protocol").value_or("TCP"));
        if (ip && number && protocol) into.insert({{*ip, Port{*number}}, *protocol});
      }
    }
  }
}

Step parse_step(const std::string& name, const YAML::Node& apply, const YAML::Node& remove,
                const YAML::Node& flows) {
  Step step{.name = name, .apply = {}, .remove = {}, .flows = {}};
  try {
    for (const auto& item : apply) step.apply.push_back(parse_object(item));
    for (const auto& item : remove) {
      allow_keys(item, {"kind", "namespace", "name", "apiVersion"});
      step.remove.push_back(parse_key(item, item));
    }
    step.flows = parse_flows(flows);
  } catch (const std::exception& error) {
    refuse("step '" + name + "': " + error.what());
  }
  return step;
}

std::string_view word(Verdict verdict) {
  switch (verdict) {
    case Verdict::drop:
      return "DROP";
    case Verdict::reject:
      return "REJECT";
    case Verdict::pass:
      return "PASS";
    case Verdict::accept:
      return "ACCEPT";
    case Verdict::endpoints:
      break;
  }
  return "delivery";
}

}  // namespace

std::string Expectation::text() const {
  if (verdict != Verdict::endpoints) return std::string{word(verdict)};
  std::string result = "one of";
  for (const auto& [endpoint, masqueraded] : masquerade) {
    result += ' ' + endpoint.text() + (masqueraded ? " (masqueraded)" : " (source unchanged)");
  }
  return result;
}

std::string Flow::text() const {
  return std::string{proxy::upper_name(protocol)} + ' ' + from.text() + " -> " + to.text();
}

Flow parse_flow(const YAML::Node& node) {
  allow_keys(node,
             {"name", "from", "to", "port", "protocol", "expect", "expectByMode", "byModeBasis",
              "modes", "basis", "repeat", "sticky", "stickyGroup", "waitBeforeEach", "note"});
  Flow flow;
  flow.name = required(node, "name").as<std::string>();
  try {
    flow.from = address(required(node, "from").as<std::string>());
    flow.to = {.ip = address(required(node, "to").as<std::string>()),
               .port = Port{required(node, "port").as<std::uint16_t>()}};
    const auto protocol = proxy::parse_protocol(required(node, "protocol").as<std::string>());
    if (!protocol) refuse("unknown protocol");
    flow.protocol = *protocol;
    flow.expect = parse_expectation(required(node, "expect"));
    for (const auto& item : node["expectByMode"]) {
      flow.expect_by_mode[item.first.Scalar()] = parse_expectation(item.second);
    }
    flow.modes = string_set(node, "modes");
    flow.repeat = optional<int>(node, "repeat");
    flow.sticky = optional<bool>(node, "sticky").value_or(false);
    flow.sticky_group = optional<std::string>(node, "stickyGroup").value_or("");
    if (const auto seconds = optional<double>(node, "waitBeforeEach")) {
      flow.wait_before_each = std::chrono::milliseconds{std::lround(*seconds * 1000)};
    }
  } catch (const std::exception& error) {
    refuse("flow '" + flow.name + "': " + error.what());
  }
  return flow;
}

Object parse_object(const YAML::Node& node) {
  return {.key = parse_key(node, required(node, "metadata")), .json = to_json(node)};
}

std::set<Listener> listeners_in(const YAML::Node& objects) {
  std::set<Listener> result;
  for (const auto& object : objects) {
    const auto kind = object["kind"].as<std::string>("");
    if (kind == "EndpointSlice") collect(result, object["endpoints"], object["ports"]);
    if (kind != "Endpoints") continue;
    for (const auto& subset : object["subsets"]) {
      collect(result, subset["addresses"], subset["ports"]);
      collect(result, subset["notReadyAddresses"], subset["ports"]);
    }
  }
  return result;
}

Scenario parse_scenario(const YAML::Node& document) {
  allow_keys(document, {"name", "behaviour", "source", "legacyObjects", "proxy", "objects", "flows",
                        "steps"});
  Scenario scenario;
  scenario.name = required(document, "name").as<std::string>();
  try {
    scenario.proxy = parse_proxy(required(document, "proxy"));
    scenario.steps.push_back(
        parse_step("start", required(document, "objects"), {}, required(document, "flows")));
    scenario.listeners = listeners_in(document["objects"]);
    for (const auto& step : document["steps"]) {
      allow_keys(step, {"name", "apply", "delete", "flows"});
      scenario.steps.push_back(parse_step(required(step, "name").as<std::string>(), step["apply"],
                                          step["delete"], step["flows"]));
      scenario.listeners.merge(listeners_in(step["apply"]));
    }
  } catch (const std::exception& error) {
    refuse(scenario.name + ": " + error.what());
  }
  return scenario;
}

Scenario load_scenario(const std::filesystem::path& file) {
  try {
    return parse_scenario(YAML::LoadFile(file));
  } catch (const std::exception& error) {
    refuse(file.string() + ": " + error.what());
  }
}

ModeTraits mode_traits(std::string_view name) {
  if (name == "userspace" || name == "userspace-transparent") {
    return {.name = std::string{name},
            .stands_for = "iptables",
            .hides_sources = name == "userspace",
            .ends_connections = true};
  }
  return {.name = std::string{name},
          .stands_for = std::string{name},
          .hides_sources = false,
          .ends_connections = false};
}

bool applies(const Scenario& scenario, const ModeTraits& mode) {
  const auto& only = scenario.proxy.mode_only;
  return only.empty() || only.contains(mode.name) || only.contains(mode.stands_for);
}

bool applies(const Flow& flow, const ModeTraits& mode) {
  return flow.modes.empty() || flow.modes.contains(mode.name) ||
         flow.modes.contains(mode.stands_for);
}

const Expectation& expectation(const Flow& flow, const ModeTraits& mode) {
  for (const auto& name : {mode.name, mode.stands_for}) {
    if (const auto found = flow.expect_by_mode.find(name); found != flow.expect_by_mode.end()) {
      return found->second;
    }
  }
  return flow.expect;
}

}  // namespace netns
