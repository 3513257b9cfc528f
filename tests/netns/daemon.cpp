#include "tests/netns/daemon.hpp"

#include "tests/netns/control_pod.hpp"
#include "tests/netns/http.hpp"
#include "tests/netns/probe.hpp"

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

std::vector<std::string> command(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), binary());
  return arguments;
}

std::vector<std::string> run_arguments(const Cluster& cluster, std::vector<std::string> flags) {
  flags.insert(flags.begin(), {"run", "--manifests", cluster.folder().string()});
  return flags;
}

std::string joined(const std::vector<std::string>& texts) {
  std::string result;
  for (const auto& text : texts) result += (result.empty() ? "" : ",") + text;
  return result;
}

// Calls `done` until it is true. Throws LabError when the daemon ends or `patience` is over.
template <class Done>
void wait_for(Process& daemon, std::chrono::seconds patience, const std::string& what, Done done) {
  const auto deadline = Clock::now() + patience;
  while (!done()) {
    if (const auto status = daemon.wait(kPause)) {
      throw LabError{"the daemon ended with status " + std::to_string(*status) + " before " + what +
                     ":\n" + daemon.output()};
    }
    if (Clock::now() > deadline) throw LabError{"not in time: " + what + "\n" + daemon.output()};
  }
}

const std::string kBarrierName = "barrier";
constexpr const char* kBarrierVips[] = {"172.30.255.253", "fd00:172:30::fffd"};

Object barrier_service(std::uint16_t port) {
  const std::string v4 = kBarrierVips[0], v6 = kBarrierVips[1];
  return {
      .key = {.kind = "Service", .name_space = "lab", .name = kBarrierName},
      .json =
          R"({"apiVersion":"v1","kind":"Service","metadata":{"namespace":"lab","name":"barrier"},)"
          R"("spec":{"type":"ClusterIP","clusterIP":")" +
          v4 + R"(","clusterIPs":[")" + v4 + R"(",")" + v6 +
          R"("],"ipFamilies":["IPv4","IPv6"],"ipFamilyPolicy":)"
          R"("RequireDualStack","ports":[{"name":"p","protocol":"TCP","targetPort":7,"port":)" +
          std::to_string(port) + "}]}}"};
}

Object barrier_slice(Family family) {
  const std::string name = family == Family::v4 ? "barrier-4" : "barrier-6";
  return {
      .key = {.kind = "EndpointSlice", .name_space = "lab", .name = name},
      .json = R"({"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":)"
              R"({"namespace":"lab","name":")" +
              name + R"(","labels":{"kubernetes.io/service-name":"barrier"}},"addressType":")" +
              std::string{proxy::to_string(family)} +
              R"(","ports":[{"name":"p","port":7,"protocol":"TCP"}],"endpoints":[{"addresses":[")" +
              control_pod(family).ip.text() + R"("],"nodeName":"node-a"}]})"};
}

}  // namespace

std::vector<std::string> flags_for(const ProxySettings& proxy, const std::string& mode) {
  std::vector<std::string> flags{"--proxy-mode=" + mode, "--hostname-override=" + proxy.node_name,
                                 "--iptables-min-sync-period=0s"};
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

Daemon::Daemon(const Party& node, const Cluster& cluster, std::vector<std::string> flags)
    : node_{node}, process_{node.net, command(run_arguments(cluster, std::move(flags)))} {}

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

Finished run_viaduct(const Party& node, std::vector<std::string> arguments) {
  return run(node.net, command(std::move(arguments)));
}

Barrier::Barrier(Topology& topology, const Cluster& cluster)
    : topology_{topology}, cluster_{cluster} {
  for (const auto family : proxy::kFamilies) cluster_.apply(barrier_slice(family));
  // Until the rules are there, upstream refuses at once.
  for (const auto* vip : kBarrierVips) topology_.literal_destination(address(vip));
}

void Barrier::pass(Daemon& daemon, std::chrono::seconds patience) {
  cluster_.apply(barrier_service(++port_));
  for (const auto* vip : kBarrierVips) {
    const auto to = address(vip);
    const auto from = address(to.family() == Family::v4 ? "10.180.0.100" : "fd00:10:180::100");
    const Probe probe{.client = &topology_.owner(from),
                      .from = from,
                      .to = {to, Port{port_}},
                      .protocol = Protocol::tcp,
                      .patience = milliseconds{500}};
    wait_for(daemon.process(), patience, "the last change was in force",
             [&] { return netns::run(probe).front().kind == Outcome::Kind::answered; });
  }
}

}  // namespace netns
