// The lab with a daemon in it: what tests of the daemon begin with.
#pragma once

#include "tests/netns/cluster.hpp"
#include "tests/netns/daemon.hpp"
#include "tests/netns/flow_runner.hpp"
#include "tests/netns/responder.hpp"
#include "tests/netns/topology.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace netns {

// node-a of TOPOLOGY.md with the usual CIDRs.
[[nodiscard]] ProxySettings usual_settings();

class DaemonLab {
 public:
  // Writes the cluster's surroundings; the daemon is not started yet. Throws LabError.
  DaemonLab(ProxySettings settings, std::string_view mode);

  // YAML documents, or one list of objects. Their endpoints are served from now on.
  void apply(const YAML::Node& objects);
  void apply(const std::string& yaml_documents);
  void remove(const ObjectKey& key) { cluster_.remove(key); }

  // For all starts from now on, behind those that the settings mean.
  void set_flags(std::vector<std::string> flags) { more_flags_ = std::move(flags); }
  // Another mode from the next start on.
  void set_mode(std::string mode) { mode_ = std::move(mode); }

  // Starts the daemon and waits until it is healthy.
  void start(std::vector<std::string> launcher = {});
  // Waits until all that was applied is in force.
  void settle() { barrier_.pass(*daemon_); }

  // A flow as the scenarios write it, in YAML flow style without braces. Empty when it does as it
  // should.
  [[nodiscard]] std::string wrong(const std::string& flow);

  [[nodiscard]] Topology& topology() { return topology_; }
  [[nodiscard]] Party& node() { return topology_.node_a(); }
  [[nodiscard]] Responder& responder() { return responder_; }
  [[nodiscard]] FlowRunner& runner() { return runner_; }
  [[nodiscard]] Cluster& cluster() { return cluster_; }
  [[nodiscard]] Daemon& daemon() { return *daemon_; }
  [[nodiscard]] bool is_running() const { return daemon_.has_value(); }

  // iptables-save or ip6tables-save of node-a, without counters and remarks: equal rules read
  // equal.
  [[nodiscard]] std::string saved_rules(Family family);

 private:
  ProxySettings settings_;
  std::string mode_;
  std::vector<std::string> more_flags_;
  Topology topology_;
  Responder responder_;
  FlowRunner runner_;
  Cluster cluster_;
  Barrier barrier_;
  std::optional<Daemon> daemon_;
};

[[nodiscard]] std::string save_command(Family family);  // "iptables-save", "ip6tables-save"

}  // namespace netns
