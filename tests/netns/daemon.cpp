#include "tests/netns/daemon.hpp"

#include "tests/netns/control_pod.hpp"
#include "tests/netns/http.hpp"
#include "tests/netns/patience.hpp"
#include "tests/netns/probe.hpp"

#include <fmt/format.h>

#include <array>
#include <csignal>
#include <cstdlib>

namespace netns {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr Port kHealthPort{10256};  // kube-proxy's

// How long to leave the daemon in peace between two looks at it.
constexpr milliseconds kPause{5};

std::string binary() {
  const char* chosen = std::getenv("VIADUCT_BINARY");
  return chosen != nullptr ? chosen : VIADUCT_DAEMON;
}

std::vector<std::string> command(const std::vector<std::string>& arguments,
                                 std::vector<std::string> launcher = {}) {
  auto words = std::move(launcher);
  words.push_back(binary());
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

std::vector<std::string> run_arguments(std::vector<std::string> flags) {
  flags.insert(flags.begin(), "run");
  return flags;
}

std::vector<std::string> with_manifests(const Cluster& cluster, std::vector<std::string> flags) {
  flags.insert(flags.begin(), {"--manifests", cluster.folder().string()});
  return flags;
}

std::string joined(const std::vector<std::string>& texts) {
  std::string result;
  for (const auto& text : texts) result += (result.empty() ? "" : ",") + text;
  return result;
}

// Calls `done` until it is true. Throws LabError when the daemon ends or `patience` is over.
template <class Done>
void wait_for(Process& daemon, std::chrono::seconds usual, const std::string& what, Done done) {
  const auto deadline = Clock::now() + patience(usual);
  while (!done()) {
    if (const auto status = daemon.wait(kPause)) {
      throw LabError{"the daemon ended with status " + std::to_string(*status) + " before " + what +
                     ":\n" + daemon.output()};
    }
    if (Clock::now() > deadline) throw LabError{"not in time: " + what + "\n" + daemon.output()};
  }
}

// The two services take turns: at each pass one comes and the other goes.
struct Turn {
  std::string name;
  std::array<std::string, 2> vips;  // one per family
};
const std::array<Turn, 2>& turns() {
  static const std::array<Turn, 2> both{{{"barrier-a", {"172.30.255.252", "fd00:172:30::fffc"}},
                                         {"barrier-b", {"172.30.255.253", "fd00:172:30::fffd"}}}};
  return both;
}
constexpr Port kBarrierPort{80};

Object barrier_service(const Turn& turn) {
  return {
      .key = {.kind = "Service", .name_space = "lab", .name = turn.name},
      .json = fmt::format(
          R"({{"apiVersion":"v1","kind":"Service","metadata":{{"namespace":"lab","name":"{0}"}},)"
          R"("spec":{{"type":"ClusterIP","clusterIP":"{1}","clusterIPs":["{1}","{2}"],)"
          R"("ipFamilies":["IPv4","IPv6"],"ipFamilyPolicy":"RequireDualStack",)"
          R"("ports":[{{"name":"p","protocol":"TCP","port":{3},"targetPort":7}}]}}}})",
          turn.name, turn.vips[0], turn.vips[1], kBarrierPort.value)};
}

Object barrier_slice(const Turn& turn, Family family) {
  const auto name = turn.name + (family == Family::v4 ? "-4" : "-6");
  const auto pod = control_pod(family);
  return {
      .key = {.kind = "EndpointSlice", .name_space = "lab", .name = name},
      .json = fmt::format(
          R"({{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":)"
          R"({{"namespace":"lab","name":"{0}","labels":{{"kubernetes.io/service-name":"{1}"}}}},)"
          R"("addressType":"{2}","ports":[{{"name":"p","port":{3},"protocol":"TCP"}}],)"
          R"("endpoints":[{{"addresses":["{4}"],"nodeName":"node-a"}}]}})",
          name, turn.name, proxy::to_string(family), pod.port.value, pod.ip.text())};
}

}  // namespace

std::vector<std::string> flags_for(const ProxySettings& proxy, const std::string& mode) {
  const bool transparent = mode == "userspace-transparent";
  std::vector<std::string> flags{"--proxy-mode=" + (transparent ? "userspace" : mode),
                                 "--hostname-override=" + proxy.node_name,
                                 "--iptables-min-sync-period=0s", "--ipvs-min-sync-period=0s"};
  if (transparent) flags.emplace_back("--userspace-transparent=true");
  if (!proxy.cluster_cidr.empty()) flags.push_back("--cluster-cidr=" + proxy.cluster_cidr);
  if (proxy.detect_local_mode) flags.push_back("--detect-local-mode=" + *proxy.detect_local_mode);
  if (proxy.masquerade_all) flags.emplace_back("--masquerade-all=true");
  if (proxy.node_port_addresses && !proxy.node_port_addresses->empty()) {
    flags.push_back("--nodeport-addresses=" + joined(*proxy.node_port_addresses));
  }
  if (proxy.localhost_node_ports) {
    flags.emplace_back(*proxy.localhost_node_ports ? "--iptables-localhost-nodeports=true"
                                                   : "--iptables-localhost-nodeports=false");
  }
  return flags;
}

Daemon::Daemon(const Party& node, const Cluster& cluster, std::vector<std::string> flags,
               std::vector<std::string> launcher)
    : node_{node},
      process_{node.net, command(run_arguments(with_manifests(cluster, std::move(flags))),
                                 std::move(launcher))} {}

Daemon::Daemon(const Party& node, std::vector<std::string> flags)
    : node_{node}, process_{node.net, command(run_arguments(std::move(flags)))} {}

void Daemon::wait_until_healthy(std::chrono::seconds patience) {
  const SocketAddress health{IpAddress::loopback(Family::v4), kHealthPort};
  wait_for(process_, patience, "GET /healthz answered 200",
           [&] { return http_get(node_.net, health, "/healthz").status == 200; });
}

int Daemon::stop(int signal) {
  process_.signal(signal);
  const auto status = process_.wait(std::chrono::seconds{10});
  if (!status) throw LabError{"the daemon does not end:\n" + process_.output()};
  return *status;
}

Finished run_viaduct(const Party& node, const std::vector<std::string>& arguments) {
  return run(node.net, command(arguments));
}

Barrier::Barrier(Topology& topology, const Cluster& cluster)
    : topology_{topology}, cluster_{cluster} {
  for (const auto& turn : turns()) {
    for (const auto family : proxy::kFamilies) cluster_.apply(barrier_slice(turn, family));
    // Where there are no rules, upstream refuses at once.
    for (const auto& vip : turn.vips) topology_.literal_destination(address(vip));
  }
}

bool Barrier::answers(const IpAddress& vip) {
  const auto client = address(vip.family() == Family::v4 ? "10.180.0.100" : "fd00:10:180::100");
  const auto outcomes = run(Probe{.client = &topology_.owner(client),
                                  .from = client,
                                  .to = {vip, kBarrierPort},
                                  .protocol = Protocol::tcp,
                                  .patience = patience(milliseconds{500})});
  return outcomes.front().kind == Outcome::Kind::answered;
}

void Barrier::pass(Daemon& daemon, std::chrono::seconds patience) {
  const auto& goes = turns()[present_];
  present_ = 1 - present_;
  const auto& comes = turns()[present_];
  cluster_.apply(barrier_service(comes));
  cluster_.remove(barrier_service(goes).key);
  for (std::size_t family = 0; family < comes.vips.size(); ++family) {
    wait_for(daemon.process(), patience, "the last change was in force", [&] {
      return answers(address(comes.vips[family])) && !answers(address(goes.vips[family]));
    });
  }
}

}  // namespace netns
