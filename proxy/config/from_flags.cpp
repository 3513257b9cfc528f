#include "proxy/config/from_flags.hpp"

#include "proxy/config/dns_from_flags.hpp"
#include "proxy/config/ipvs_from_flags.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace proxy::config {
namespace {

using std::chrono::nanoseconds;

Error flag_error(std::string_view flag, std::string_view what) {
  return invalid(fmt::format("--{}: {}", flag, what));
}

Result<std::int32_t> integer_within(const FlagValues& flags, std::string_view name,
                                    std::int32_t low, std::int32_t high) {
  const auto value = flags.integer(name);
  if (value >= low && value <= high) return value;
  return flag_error(name, fmt::format("{} is not from {} to {}", value, low, high));
}

Result<nanoseconds> duration_not_negative(const FlagValues& flags, std::string_view name) {
  const auto value = flags.duration(name);
  if (value >= nanoseconds{0}) return value;
  return flag_error(name, fmt::format("{} is negative", duration_text(value)));
}

Result<nanoseconds> duration_above_zero(const FlagValues& flags, std::string_view name) {
  const auto value = flags.duration(name);
  if (value > nanoseconds{0}) return value;
  return flag_error(name, fmt::format("{} is not greater than 0", duration_text(value)));
}

std::string_view without_blanks(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n\v\f";
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// Blanks trimmed and lower-cased, as kubelet and kube-proxy do (k8s.io/component-helpers/node).
Result<std::string> node_name(const FlagValues& flags, std::string_view host_name) {
  const auto override = flags.text("hostname-override");
  auto name = std::string{without_blanks(override.empty() ? host_name : override)};
  std::ranges::transform(name, name.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
  });
  if (!name.empty()) return name;
  return flag_error("hostname-override",
                    override.empty() ? "needed, the host has no name" : "holds nothing but blanks");
}

Result<ProxyMode> proxy_mode(const FlagValues& flags) {
  const auto name = flags.text("proxy-mode");
  if (name.empty() || name == "iptables") return ProxyMode::iptables;
  if (name == "userspace") return ProxyMode::userspace;
  if (name == "none") return ProxyMode::none;
  if (name == "nftables") return flag_error("proxy-mode", "nftables is not offered, use iptables");
  if (name == "ipvs") return ProxyMode::ipvs;
  return flag_error("proxy-mode",
                    fmt::format("\"{}\" is none of iptables, ipvs, userspace, none", name));
}

Result<DetectLocal> detect_local(const FlagValues& flags) {
  DetectLocal local;
  const auto mode = flags.text("detect-local-mode");
  if (mode == "NodeCIDR") {
    local.mode = DetectLocalMode::node_cidr;
  } else if (mode == "BridgeInterface") {
    local.mode = DetectLocalMode::bridge_interface;
  } else if (mode == "InterfaceNamePrefix") {
    local.mode = DetectLocalMode::interface_name_prefix;
  } else if (!mode.empty() && mode != "ClusterCIDR") {
    return flag_error("detect-local-mode",
                      fmt::format("\"{}\" is none of ClusterCIDR, NodeCIDR, BridgeInterface, "
                                  "InterfaceNamePrefix",
                                  mode));
  }
  local.bridge_interface = flags.text("pod-bridge-interface");
  local.interface_name_prefix = flags.text("pod-interface-name-prefix");
  if (local.mode == DetectLocalMode::bridge_interface && local.bridge_interface.empty()) {
    return flag_error("pod-bridge-interface", "needed with --detect-local-mode=BridgeInterface");
  }
  if (local.mode == DetectLocalMode::interface_name_prefix && local.interface_name_prefix.empty()) {
    return flag_error("pod-interface-name-prefix",
                      "needed with --detect-local-mode=InterfaceNamePrefix");
  }
  constexpr std::size_t kLongestLink = 15;  // IFNAMSIZ (linux/if.h) less the final zero
  for (const auto* name : {"pod-bridge-interface", "pod-interface-name-prefix"}) {
    if (flags.text(name).size() > kLongestLink) {
      return flag_error(name, "longer than the 15 characters of a link's name");
    }
  }

  const auto cidrs = parse_prefixes(flags.text("cluster-cidr"));
  if (!cidrs) return within("--cluster-cidr", cidrs.error());
  for (const auto family : kFamilies) {
    if (std::ranges::count(*cidrs, family, &IpPrefix::family) > 1) {
      return flag_error("cluster-cidr", fmt::format("more than one {} CIDR", to_string(family)));
    }
  }
  local.cluster_cidrs = *cidrs;
  return local;
}

// "primary", "localhost" and "all" are words beside the CIDRs; kube-proxy has "primary" alone. All
// addresses is what an empty list means too, but for ::1.
Result<NodePortAddresses> node_port_addresses(const FlagValues& flags) {
  constexpr std::string_view kFlag = "nodeport-addresses";
  NodePortAddresses addresses;
  bool all = false;
  bool cidrs = false;
  const auto entries = flags.list(kFlag);
  for (const auto& entry : entries) {
    if (entry == "primary") {
      addresses.primary = true;
    } else if (entry == "all") {
      all = true;
      addresses.loopback_v6 = true;
    } else if (entry == "localhost") {
      addresses.ranges.push_back(IpPrefix::of(IpAddress::loopback(Family::v4), 8));
      addresses.ranges.push_back(IpPrefix::host(IpAddress::loopback(Family::v6)));
      addresses.loopback_v6 = true;
    } else if (const auto range = parse_prefix(entry)) {
      addresses.ranges.push_back(*range);
      cidrs = true;
    } else {
      return flag_error(
          kFlag, fmt::format("\"{}\" is neither a CIDR nor primary, localhost or all", entry));
    }
  }
  if (all && entries.size() > 1) return flag_error(kFlag, "all stands alone");
  if (addresses.primary && cidrs) return flag_error(kFlag, "primary and CIDRs exclude each other");
  return addresses;
}

Result<Conntrack> conntrack(const FlagValues& flags) {
  constexpr auto kMost = std::numeric_limits<std::int32_t>::max();
  Conntrack settings;
  const auto per_core = integer_within(flags, "conntrack-max-per-core", 0, kMost);
  if (!per_core) return per_core.error();
  const auto min = integer_within(flags, "conntrack-min", 0, kMost);
  if (!min) return min.error();
  settings.max_per_core = *per_core;
  settings.min = *min;
  settings.tcp_be_liberal = flags.boolean("conntrack-tcp-be-liberal");

  struct Timeout {
    std::string_view flag;
    nanoseconds Conntrack::*member;
  };
  for (const auto& [flag, member] : {
           Timeout{"conntrack-tcp-timeout-established", &Conntrack::tcp_established_timeout},
           Timeout{"conntrack-tcp-timeout-close-wait", &Conntrack::tcp_close_wait_timeout},
           Timeout{"conntrack-udp-timeout", &Conntrack::udp_timeout},
           Timeout{"conntrack-udp-timeout-stream", &Conntrack::udp_stream_timeout},
       }) {
    const auto timeout = duration_not_negative(flags, flag);
    if (!timeout) return timeout.error();
    settings.*member = *timeout;
  }
  return settings;
}

// One of the two servers: its address flag, the older flag for the port alone, and where it listens
// by default, which follows the primary family.
struct ServerFlags {
  std::string_view address;
  std::string_view port;
  IpAddress standard_v4;
  IpAddress standard_v6;
};

Result<std::optional<SocketAddress>> server_address(const FlagValues& flags,
                                                    const ServerFlags& server, Family primary) {
  const auto port = integer_within(flags, server.port, 0, 65535);
  if (!port) return port.error();
  if (*port == 0) return std::optional<SocketAddress>{};
  const auto default_port = Port{static_cast<std::uint16_t>(*port)};
  if (!flags.given(server.address)) {
    return SocketAddress{primary == Family::v6 ? server.standard_v6 : server.standard_v4,
                         default_port};
  }
  const auto text = flags.text(server.address);
  if (text.empty()) return std::optional<SocketAddress>{};
  const auto address = parse_socket_address(text, default_port);
  if (!address) return within(fmt::format("--{}", server.address), address.error());
  return *address;
}

// Records have one source: --manifests, or the API, which may also be found by a pod's environment.
Result<void> read_source(const FlagValues& flags, Config& config) {
  config.manifests = flags.text("manifests");
  const bool api = !flags.text("kubeconfig").empty() || !flags.text("master").empty();
  if (!config.manifests.empty() && api) {
    return flag_error("manifests", "excludes --kubeconfig and --master: records have one source");
  }
  const auto endpoints = flags.text("endpoint-source");
  if (endpoints != "endpointslices" && endpoints != "endpoints") {
    return flag_error("endpoint-source",
                      fmt::format("\"{}\" is neither endpointslices nor endpoints", endpoints));
  }
  if (!config.manifests.empty()) return {};
  config.api = ApiServer{.kubeconfig = flags.text("kubeconfig"),
                         .master = flags.text("master"),
                         .endpoints = endpoints == "endpoints",
                         .state_file = flags.text("state-file")};
  return {};
}

Result<void> read_servers(const FlagValues& flags, Config& config) {
  const auto primary = config.bind_address.family();
  const auto healthz = server_address(flags,
                                      {.address = "healthz-bind-address",
                                       .port = "healthz-port",
                                       .standard_v4 = IpAddress::any(Family::v4),
                                       .standard_v6 = IpAddress::any(Family::v6)},
                                      primary);
  if (!healthz) return healthz.error();
  const auto metrics = server_address(flags,
                                      {.address = "metrics-bind-address",
                                       .port = "metrics-port",
                                       .standard_v4 = IpAddress::loopback(Family::v4),
                                       .standard_v6 = IpAddress::loopback(Family::v6)},
                                      primary);
  if (!metrics) return metrics.error();
  if (flags.given("metrics-bind-address") && flags.text("metrics-bind-address").empty()) {
    return flag_error("metrics-bind-address",
                      "empty; --metrics-port=0 turns the metrics server off");
  }
  config.healthz = *healthz;
  config.metrics = *metrics;
  config.bind_address_hard_fail = flags.boolean("bind-address-hard-fail");
  return {};
}

Result<void> read_periods(const FlagValues& flags, Config& config) {
  // Each mode that writes to the kernel has flags of its own for the same thing.
  for (const std::string mode : {"iptables", "ipvs"}) {
    const auto period = duration_above_zero(flags, mode + "-sync-period");
    if (!period) return period.error();
    const auto min = duration_not_negative(flags, mode + "-min-sync-period");
    if (!min) return min.error();
    if (*min > *period) {
      return flag_error(mode + "-min-sync-period",
                        fmt::format("{} is longer than --{}-sync-period, {}", duration_text(*min),
                                    mode, duration_text(*period)));
    }
    if ((mode == "ipvs") != (config.mode == ProxyMode::ipvs)) continue;
    config.sync_period = *period;
    config.min_sync_period = *min;
  }
  if (const auto unused = duration_above_zero(flags, "config-sync-period"); !unused) {
    return unused.error();
  }
  return {};
}

Result<void> read_mode(const FlagValues& flags, Config& config) {
  const auto mode = proxy_mode(flags);
  if (!mode) return mode.error();
  const auto bit = integer_within(flags, "iptables-masquerade-bit", 0, 31);
  if (!bit) return bit.error();
  const auto local = detect_local(flags);
  if (!local) return local.error();
  const auto fallback = flags.text("proxy-mode-fallback");
  if (!fallback.empty() && fallback != "iptables") {
    return flag_error("proxy-mode-fallback", fmt::format("\"{}\" is not iptables", fallback));
  }
  auto ipvs = ipvs_from_flags(flags);
  if (!ipvs) return ipvs.error();
  config.mode = *mode;
  config.fall_back_to_iptables = !fallback.empty();
  config.ipvs = std::move(*ipvs);
  config.masquerade_bit = static_cast<std::uint8_t>(*bit);
  config.masquerade_all = flags.boolean("masquerade-all");
  config.localhost_node_ports = flags.boolean("iptables-localhost-nodeports");
  config.detect_local = *local;
  return {};
}

// One of two words, the first of which means false.
Result<bool> either(const FlagValues& flags, std::string_view flag, std::string_view no,
                    std::string_view yes) {
  const auto word = flags.text(flag);
  if (word == no || word == yes) return word == yes;
  return flag_error(flag, fmt::format("\"{}\" is neither {} nor {}", word, no, yes));
}

Result<std::chrono::seconds> whole_seconds(const FlagValues& flags, std::string_view flag) {
  const auto value = duration_not_negative(flags, flag);
  if (!value) return value.error();
  return std::chrono::ceil<std::chrono::seconds>(*value);
}

Result<void> read_userspace(const FlagValues& flags, Config& config) {
  const auto direct = either(flags, "userspace-listen", "steered", "direct");
  if (!direct) return direct.error();
  const auto least = either(flags, "userspace-balance", "round-robin", "least-connections");
  if (!least) return least.error();
  const auto workers = integer_within(flags, "userspace-workers", 0, 1024);
  if (!workers) return workers.error();
  const auto udp_idle = whole_seconds(flags, "userspace-udp-timeout");
  if (!udp_idle) return udp_idle.error();
  const auto drain = whole_seconds(flags, "userspace-drain-timeout");
  if (!drain) return drain.error();
  const bool transparent = flags.boolean("userspace-transparent");
  if (*direct && transparent) {
    return flag_error("userspace-transparent", "needs --userspace-listen=steered");
  }
  config.userspace = {.direct = *direct,
                      .transparent = transparent,
                      .least_connections = *least,
                      .workers = *workers,
                      .udp_idle = *udp_idle,
                      .drain = *drain};
  return {};
}

Result<void> read_process(const FlagValues& flags, Config& config) {
  const auto settings = conntrack(flags);
  if (!settings) return settings.error();
  const auto oom = integer_within(flags, "oom-score-adj", -1000, 1000);
  if (!oom) return oom.error();
  config.conntrack = *settings;
  config.oom_score_adj = *oom;
  config.admin_socket = flags.text("admin-socket");
  config.take_over = flags.boolean("take-over");
  return {};
}

// What `run` and `check` have in common.
Result<Config> read_common(const FlagValues& flags, std::string_view host_name) {
  Config config;
  const auto name = node_name(flags, host_name);
  if (!name) return name.error();
  const auto addresses = node_port_addresses(flags);
  if (!addresses) return addresses.error();
  const auto verbosity = integer_within(flags, "v", 0, 10);
  if (!verbosity) return verbosity.error();
  config.node_name = *name;
  config.node_port_addresses = *addresses;
  config.verbosity = *verbosity;
  return config;
}

Result<Config> read_all(const FlagValues& flags, std::string_view host_name) {
  auto config = read_common(flags, host_name);
  if (!config) return config;
  config->config_file = flags.text("config");
  if (const auto source = read_source(flags, *config); !source) return source.error();
  const auto bind_address = parse_ip(flags.text("bind-address"));
  if (!bind_address) return within("--bind-address", bind_address.error());
  config->bind_address = *bind_address;
  for (const auto read : {read_mode, read_userspace, read_periods, read_process, read_servers}) {
    if (const auto good = read(flags, *config); !good) return good.error();
  }
  auto dns = dns_from_flags(flags);
  if (!dns) return dns.error();
  config->dns = std::move(*dns);
  return config;
}

}  // namespace

Result<Config> config_for_check(const FlagValues& flags, std::string_view host_name) {
  auto config = read_common(flags, host_name);
  if (!config) return flags.at_its_place(config.error());
  config->manifests = flags.text("manifests");
  if (!config->manifests.empty()) return config;
  return flag_error("manifests", "needed: there is nothing to check");
}

Result<Config> config_from_flags(const FlagValues& flags, std::string_view host_name) {
  auto config = read_all(flags, host_name);
  if (!config) return flags.at_its_place(config.error());
  return config;
}

std::vector<std::string> warnings(const FlagValues& flags) {
  std::vector<std::string> lines;
  for (const auto& flag : config::flags()) {
    if (!flags.given(flag.name)) continue;
    if (!flag.no_effect.empty()) {
      lines.push_back(fmt::format("{} has no effect: {}", flags.place(flag.name), flag.no_effect));
    }
    if (flag.help.starts_with("Deprecated")) {
      lines.push_back(fmt::format("--{} is deprecated, use --{}-bind-address", flag.name,
                                  flag.name.substr(0, flag.name.find('-'))));
    }
  }
  return lines;
}

}  // namespace proxy::config
