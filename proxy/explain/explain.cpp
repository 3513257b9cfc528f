#include "proxy/explain/explain.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace proxy::explain {
namespace {

using config::DetectLocalMode;
using state::EndpointList;
using state::ServicePort;
using state::ServicePortName;
using state::TrafficPolicy;

bool contains(const std::vector<IpAddress>& addresses, const IpAddress& address) {
  return std::ranges::find(addresses, address) != addresses.end();
}

bool within(const std::vector<IpPrefix>& ranges, const IpAddress& address) {
  return std::ranges::any_of(ranges, [&](const auto& range) { return range.contains(address); });
}

// Which of a service's VIPs a packet goes to.
enum class Vip : std::uint8_t { cluster_ip, external_ip, load_balancer_ip, node_port };

std::string_view name_of(Vip vip) {
  switch (vip) {
    case Vip::cluster_ip:
      return "cluster IP";
    case Vip::external_ip:
      return "external IP";
    case Vip::load_balancer_ip:
      return "load-balancer IP";
    case Vip::node_port:
      return "node port";
  }
  return "";
}

struct Match {
  const ServicePortName* name = nullptr;
  const ServicePort* port = nullptr;
  Vip vip = Vip::cluster_ip;
};

// Who sends: what is known by the address alone.
enum class Sender : std::uint8_t { unknown, node, pod, elsewhere };

class Explainer {
 public:
  Explainer(const state::ServiceTable& table, const NodeView& node, const Question& question)
      : table_{table}, node_{node}, question_{question}, sender_{sender()} {}

  Explanation explain() && {
    if (const auto match = find_vip()) {
      if (match->vip == Vip::cluster_ip) {
        internal(*match);
      } else {
        external(*match);
      }
    } else if (is_node_address()) {
      to_node();
    } else {
      nobody();
    }
    return std::move(out_);
  }

 private:
  template <class... Args>
  void because(fmt::format_string<Args...> format, Args&&... args) {
    out_.because.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  // ── what the packet is ──────────────────────────────────────────────────────────────────────

  [[nodiscard]] const std::vector<IpPrefix>& pod_ranges() const {
    return node_.detect_local.mode == DetectLocalMode::node_cidr ? node_.pod_cidrs
                                                                 : node_.detect_local.cluster_cidrs;
  }
  // Interfaces tell pods apart, not addresses.
  [[nodiscard]] bool detects_by_interface() const {
    return node_.detect_local.mode == DetectLocalMode::bridge_interface ||
           node_.detect_local.mode == DetectLocalMode::interface_name_prefix;
  }
  [[nodiscard]] bool detects_pods() const {
    return detects_by_interface() || std::ranges::any_of(pod_ranges(), [&](const auto& range) {
             return range.family() == question_.to.family();
           });
  }
  [[nodiscard]] Sender sender() const {
    if (!question_.from) return Sender::unknown;
    if (question_.from->is_loopback() || contains(node_.addresses, *question_.from)) {
      return Sender::node;
    }
    if (detects_by_interface()) return Sender::unknown;
    return within(pod_ranges(), *question_.from) ? Sender::pod : Sender::elsewhere;
  }

  [[nodiscard]] std::optional<Match> find_vip() const {
    std::optional<Match> found;
    table_.for_each([&](const ServicePortName& name, const ServicePort& port) {
      if (name.protocol != question_.protocol || port.port != question_.port) return;
      if (port.cluster_ip == question_.to) {
        found = {&name, &port, Vip::cluster_ip};
      } else if (contains(port.external_ips, question_.to)) {
        found = {&name, &port, Vip::external_ip};
      } else if (contains(port.load_balancer_ips, question_.to)) {
        found = {&name, &port, Vip::load_balancer_ip};
      }
    });
    return found;
  }

  [[nodiscard]] bool is_node_address() const {
    return question_.to.is_loopback() || contains(node_.addresses, question_.to);
  }
  [[nodiscard]] bool serves_node_ports() const {
    const auto& to = question_.to;
    if (to.is_loopback() && !(to.family() == Family::v4 ? node_.node_ports_on_loopback_v4
                                                        : node_.node_ports_on_loopback_v6)) {
      return false;
    }
    const auto limits = node_.node_port_addresses.limits(to.family(), node_.primary_ips);
    return limits.empty() || within(limits, to);
  }

  // ── what becomes of it ──────────────────────────────────────────────────────────────────────

  void matched(const Match& match) {
    out_.service = *match.name;
    out_.by = name_of(match.vip);
    because("{} {} port {} is the {} of {}", question_.to.text(), upper_name(question_.protocol),
            question_.port.value, out_.by, match.name->text());
  }

  void refuse(const ServicePort& port) {
    if (node_.by_ipvs) {
      out_.fate = Fate::rejected;
      because("its virtual server has no real server: the kernel says port unreachable");
    } else if (port.has_any_endpoint) {
      out_.fate = Fate::dropped;
      because(
          "its policy is Local and this node has no endpoint of it: another node may answer, "
          "so the client is not told");
    } else {
      out_.fate = Fate::rejected;
      because("it has no endpoint that is ready, or serving while it terminates");
    }
  }

  void forward(const EndpointList& endpoints, Source sees, const ServicePort& port) {
    out_.fate = Fate::forwarded;
    for (const auto& endpoint : endpoints) {
      const bool hairpin = question_.from == endpoint.address;
      out_.destinations.push_back({endpoint, hairpin ? Source::node : sees});
      if (hairpin) {
        because(
            "{} would reach itself: it then sees the node's address, or its answer would not "
            "come back",
            endpoint.text());
      }
    }
    if (port.affinity) {
      because(
          "a client that came within the last {} s goes where it went before (session affinity)",
          port.affinity->count());
    }
  }

  // Local without a local endpoint uses those of Cluster, as kube-proxy's ipvs mode does.
  static const EndpointList& real_servers(const ServicePort& port, TrafficPolicy policy) {
    const bool local = policy == TrafficPolicy::local && !port.local_endpoints.empty();
    return local ? port.local_endpoints : port.cluster_endpoints;
  }

  void internal(const Match& match) {
    matched(match);
    const auto& port = *match.port;
    const auto& endpoints =
        node_.by_ipvs ? real_servers(port, port.internal_policy) : port.internal_endpoints();
    because("its internal traffic policy is {}: {} of its endpoints may be used from here",
            port.internal_policy == TrafficPolicy::local ? "Local" : "Cluster", endpoints.size());
    if (endpoints.empty()) return refuse(port);
    forward(endpoints, seen_by_internal(), port);
  }

  Source seen_by_internal() {
    if (node_.masquerade_all) {
      because("all traffic to cluster IPs is masqueraded (masqueradeAll)");
      return Source::node;
    }
    if (!detects_pods()) {
      because(
          "no range of pods is known (--cluster-cidr), so nothing is masqueraded for its sender");
      return sender_ == Sender::node ? Source::node : Source::unchanged;
    }
    switch (sender_) {
      case Sender::unknown:
        because("what does not come from a pod is masqueraded");
        return Source::unknown;
      case Sender::pod:
        because("{} is a pod's: its address is kept", question_.from->text());
        return Source::unchanged;
      case Sender::node:
      case Sender::elsewhere:
        because("{} is no pod's: it is masqueraded", question_.from->text());
        return Source::node;
    }
    return Source::unknown;
  }

  void external(const Match& match) {
    matched(match);
    const auto& port = *match.port;
    const auto& policy = port.external_policy;
    because("its external traffic policy is {}",
            policy == TrafficPolicy::local ? "Local" : "Cluster");
    if (node_.by_ipvs) return external_by_ipvs(match);
    // Where nothing can be reached the refusal comes before the question who may use the VIP.
    const bool short_circuit =
        policy == TrafficPolicy::local && may_short_circuit() && !port.cluster_endpoints.empty();
    const auto& endpoints = short_circuit ? port.cluster_endpoints : port.external_endpoints();
    if (port.has_reachable_endpoint() && match.vip == Vip::load_balancer_ip && !may_use(port))
      return;
    if (endpoints.empty()) {
      // Nothing is refused at OUTPUT; what goes to an address of the node itself meets INPUT.
      if (sender_ != Sender::node || is_node_address()) return refuse(port);
      because("it has no endpoint, but what the node itself sends elsewhere is not refused");
      return;
    }
    if (short_circuit) {
      because("pods and the node itself use it as they would its cluster IP: {} endpoints",
              endpoints.size());
      return forward(endpoints, sender_ == Sender::pod ? Source::unchanged : Source::node, port);
    }
    if (policy == TrafficPolicy::local) {
      because("{} endpoints on this node are used, and see the client's address", endpoints.size());
      return forward(endpoints, Source::unchanged, port);
    }
    because("{} endpoints may be used from here; traffic to external VIPs is masqueraded",
            endpoints.size());
    forward(endpoints, Source::node, port);
  }

  void external_by_ipvs(const Match& match) {
    const auto& port = *match.port;
    if (match.vip == Vip::load_balancer_ip && !may_use(port)) return;
    const auto& endpoints = real_servers(port, port.external_policy);
    if (endpoints.empty()) return refuse(port);
    if (port.external_policy == TrafficPolicy::local) {
      because("{} endpoints are its real servers here, and see the client's address",
              endpoints.size());
      return forward(endpoints, Source::unchanged, port);
    }
    because("{} endpoints are its real servers; traffic to external VIPs is masqueraded",
            endpoints.size());
    forward(endpoints, Source::node, port);
  }

  [[nodiscard]] bool may_short_circuit() const {
    return sender_ == Sender::node || (sender_ == Sender::pod && detects_pods());
  }

  // Whether the source ranges of the load balancer let it pass.
  bool may_use(const ServicePort& port) {
    if (!port.source_ranges) return true;
    std::string ranges;
    for (const auto& range : *port.source_ranges) {
      ranges += (ranges.empty() ? "" : ", ") + range.text();
    }
    if (!question_.from) {
      because("only clients within {} may use it; all others are dropped", ranges);
      return true;
    }
    const bool node_may = std::ranges::any_of(
        node_.primary_ips, [&](const auto& ip) { return within(*port.source_ranges, ip); });
    if (within(*port.source_ranges, *question_.from) ||
        (node_may && contains(port.load_balancer_ips, *question_.from))) {
      because("{} is within its source ranges, {}", question_.from->text(), ranges);
      return true;
    }
    out_.fate = Fate::dropped;
    because("{} is not within its source ranges, {}", question_.from->text(), ranges);
    return false;
  }

  // ── to the node itself ──────────────────────────────────────────────────────────────────────

  void to_node() {
    std::optional<Match> found;
    table_.for_each([&](const ServicePortName& name, const ServicePort& port) {
      if (name.protocol == question_.protocol && name.family == question_.to.family() &&
          port.node_port == question_.port) {
        found = {&name, &port, Vip::node_port};
      }
      if (question_.protocol == Protocol::tcp && port.health_check_node_port == question_.port) {
        because("TCP port {} is the health check node port of {}, answered by this process",
                question_.port.value, name.service.text());
      }
    });
    if (!found) {
      because("{} is this node's, and {} {} is no service's node port", question_.to.text(),
              upper_name(question_.protocol), question_.port.value);
      return;
    }
    // What has no endpoint is refused on every address of the node, by rules.
    const bool is_refused = !node_.by_ipvs && found->port->external_endpoints().empty();
    if (!serves_node_ports() && !is_refused) {
      because("{} {} is the node port of {}, but node ports are not served on {}",
              upper_name(question_.protocol), question_.port.value, found->name->text(),
              question_.to.text());
      return;
    }
    if (!serves_node_ports()) {
      matched(*found);
      return refuse(*found->port);
    }
    external(*found);
  }

  // ── to nobody known ─────────────────────────────────────────────────────────────────────────

  void nobody() {
    bool has_address = false;
    table_.for_each([&](const ServicePortName& name, const ServicePort& port) {
      if (port.cluster_ip != question_.to && !contains(port.external_ips, question_.to) &&
          !contains(port.load_balancer_ips, question_.to)) {
        return;
      }
      has_address = true;
      because("{} belongs to {}, at {} port {}", question_.to.text(), name.text(),
              upper_name(name.protocol), port.port.value);
    });
    if (has_address) {
      because("no service has {} port {} there", upper_name(question_.protocol),
              question_.port.value);
      if (node_.by_ipvs) {
        out_.fate = Fate::rejected;
        because("VIPs are addresses of this machine: its own sockets must not answer for them");
      }
    } else {
      because("{} is no service's VIP and no address of this node", question_.to.text());
    }
  }

  const state::ServiceTable& table_;
  const NodeView& node_;
  const Question& question_;
  Sender sender_;
  Explanation out_;
};

}  // namespace

std::string_view to_string(Fate fate) {
  switch (fate) {
    case Fate::forwarded:
      return "forwarded";
    case Fate::rejected:
      return "rejected";
    case Fate::dropped:
      return "dropped";
    case Fate::untouched:
      return "untouched";
  }
  return "";
}

std::string_view to_string(Source source) {
  switch (source) {
    case Source::unchanged:
      return "client";
    case Source::node:
      return "node";
    case Source::unknown:
      return "depends";
  }
  return "";
}

Explanation explain(const state::ServiceTable& table, const NodeView& node,
                    const Question& question) {
  return Explainer{table, node, question}.explain();
}

}  // namespace proxy::explain
