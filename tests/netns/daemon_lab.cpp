#include "tests/netns/daemon_lab.hpp"

#include <regex>
#include <sstream>

namespace netns {
namespace {

Topology with_addresses(const ProxySettings& settings) {
  Topology topology;
  for (const auto& ip : settings.extra_node_addresses) topology.add_node_address(ip);
  return topology;
}

}  // namespace

ProxySettings usual_settings() {
  ProxySettings settings;
  settings.node_name = "node-a";
  settings.cluster_cidr = "10.180.0.0/16,fd00:10:180::/48";
  settings.service_cidrs = {"172.30.0.0/16", "fd00:172:30::/112"};
  return settings;
}

DaemonLab::DaemonLab(ProxySettings settings, std::string_view mode)
    : settings_{std::move(settings)},
      mode_{mode},
      topology_{with_addresses(settings_)},
      runner_{topology_, responder_, mode_traits(mode)},
      cluster_{"/run/viaduct-lab/manifests"},
      barrier_{topology_, cluster_} {
  cluster_.apply_surroundings(settings_);
}

void DaemonLab::apply(const YAML::Node& objects) {
  runner_.serve(listeners_in(objects));
  for (const auto& object : objects) cluster_.apply(parse_object(object));
}

void DaemonLab::apply(const std::string& yaml_documents) {
  YAML::Node objects;
  for (const auto& document : YAML::LoadAll(yaml_documents)) objects.push_back(document);
  apply(objects);
}

void DaemonLab::start(std::vector<std::string> launcher) {
  daemon_.reset();
  auto flags = flags_for(settings_, mode_);
  flags.insert(flags.end(), more_flags_.begin(), more_flags_.end());
  daemon_.emplace(node(), cluster_, std::move(flags), std::move(launcher));
  daemon_->wait_until_healthy();
}

std::string DaemonLab::wrong(const std::string& flow) {
  const std::vector flows{parse_flow(YAML::Load("{name: flow, basis: source, " + flow + "}"))};
  const auto failures = runner_.run(flows);
  return failures.empty() ? "" : failures.front().text;
}

std::string DaemonLab::saved_rules(Family family) {
  static const std::regex counters{R"( ?\[[0-9]+:[0-9]+\])"};
  std::istringstream saved{run_or_fail(node().net, {save_command(family)})};
  std::string result;
  for (std::string line; std::getline(saved, line);) {
    if (!line.starts_with('#')) result += std::regex_replace(line, counters, "") + '\n';
  }
  return result;
}

std::string save_command(Family family) {
  return family == Family::v4 ? "iptables-save" : "ip6tables-save";
}

}  // namespace netns
