// A viaduct daemon on node-a, by the flags people use.
#pragma once

#include "tests/netns/cluster.hpp"
#include "tests/netns/process.hpp"
#include "tests/netns/responder.hpp"
#include "tests/netns/scenario.hpp"
#include "tests/netns/topology.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace netns {

// The flags that a scenario's `proxy` section means (TOPOLOGY.md), without --manifests.
[[nodiscard]] std::vector<std::string> flags_for(const ProxySettings& proxy,
                                                 const std::string& mode);

class Daemon {
 public:
  // Starts `viaduct run` on the cluster's folder; the binary is VIADUCT_BINARY of the environment,
  // or the one of this build. `launcher` is a command that becomes the daemon; what it is to
  // execute follows its own words.
  Daemon(const Party& node, const Cluster& cluster, std::vector<std::string> flags,
         std::vector<std::string> launcher = {});
  // With another source of records, which is among the flags.
  Daemon(const Party& node, std::vector<std::string> flags);

  // Waits until GET /healthz answers 200. Throws LabError, with what the daemon said, when that
  // takes longer than `patience` or the daemon ends.
  void wait_until_healthy(std::chrono::seconds patience = std::chrono::seconds{20});

  [[nodiscard]] Process& process() { return process_; }
  // Sends the signal and waits for the end; returns the status as Process::wait. Throws LabError
  // when it takes longer than ten seconds.
  int stop(int signal);

 private:
  const Party& node_;
  Process process_;
};

// Runs `viaduct SUBCOMMAND …` on node-a to its end.
Finished run_viaduct(const Party& node, const std::vector<std::string>& arguments);

// Tells when all that was written to the cluster and removed from it is in force: one service of
// its own is added last and another removed, and connections to them, in both families, show that
// this has arrived in the kernel. Needs nothing from the daemon but what it is for.
class Barrier {
 public:
  // Requires somebody to serve control_pod().
  Barrier(Topology& topology, const Cluster& cluster);

  // Throws LabError, with what the daemon said, when that takes longer than `patience`.
  void pass(Daemon& daemon, std::chrono::seconds patience = std::chrono::seconds{10});

 private:
  [[nodiscard]] bool answers(const IpAddress& vip);

  Topology& topology_;
  const Cluster& cluster_;
  std::size_t present_ = 1;  // which of the two services is there, after the first pass
};

}  // namespace netns
