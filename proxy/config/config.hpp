// What the daemon was told, as a plain struct: complete, valid, nothing left to look up.
//
// Flags fill it today; whatever fills it, the rest of the program reads only this.
#pragma once

#include "proxy/config/values.hpp"
#include "proxy/ip_address.hpp"
#include "proxy/node_ports.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxy::config {

enum class ProxyMode : std::uint8_t { iptables, ipvs, userspace, none };
[[nodiscard]] constexpr std::string_view to_string(ProxyMode mode) {
  switch (mode) {
    case ProxyMode::iptables:
      return "iptables";
    case ProxyMode::ipvs:
      return "ipvs";
    case ProxyMode::userspace:
      return "userspace";
    case ProxyMode::none:
      break;
  }
  return "none";
}

// How traffic that starts at this node's pods is told from traffic from elsewhere.
enum class DetectLocalMode : std::uint8_t {
  cluster_cidr,
  node_cidr,
  bridge_interface,
  interface_name_prefix
};

struct DetectLocal {
  DetectLocalMode mode = DetectLocalMode::cluster_cidr;
  std::vector<IpPrefix> cluster_cidrs;  // at most one per family; none: nothing counts as local
  std::string bridge_interface;
  std::string interface_name_prefix;

  friend bool operator==(const DetectLocal&, const DetectLocal&) = default;
};

// Settings of the kernel's connection tracking; 0 leaves one as it is.
struct Conntrack {
  std::int32_t max_per_core = 32768;
  std::int32_t min = 131072;
  std::chrono::nanoseconds tcp_established_timeout = std::chrono::hours{24};
  std::chrono::nanoseconds tcp_close_wait_timeout = std::chrono::hours{1};
  std::chrono::nanoseconds udp_timeout{0};
  std::chrono::nanoseconds udp_stream_timeout{0};
  bool tcp_be_liberal = false;

  friend bool operator==(const Conntrack&, const Conntrack&) = default;
};

// What the ipvs mode alone has; 0 seconds leave the kernel's time-out as it is.
struct Ipvs {
  std::string scheduler;                // still text: modes/ipvs reads it
  std::vector<IpPrefix> exclude_cidrs;  // virtual servers there are not ours
  bool strict_arp = false;
  std::chrono::seconds tcp_timeout{0};
  std::chrono::seconds tcp_fin_timeout{0};
  std::chrono::seconds udp_timeout{0};
  std::chrono::seconds drain_limit = std::chrono::hours{24};  // 0: none

  friend bool operator==(const Ipvs&, const Ipvs&) = default;
};

enum class PodRecords : std::uint8_t { disabled, insecure, verified };

// The DNS server. Names and upstreams are still text: dns/ reads them (dns/serve/from_config.hpp).
struct Dns {
  std::vector<SocketAddress> listen;
  std::vector<SocketAddress> node_local;  // listened on as well, and made this node's own
  std::string cluster_domain = "cluster.local";
  std::uint32_t ttl = 5;  // seconds
  PodRecords pod_records = PodRecords::insecure;
  bool autopath = false;
  bool ignore_empty_service = false;
  bool endpoint_pod_names = false;
  bool short_names = true;
  bool cache = true;
  bool log_queries = false;
  std::vector<std::string> namespaces;    // empty: all
  std::vector<std::string> upstreams;     // empty: those of resolv_conf; "none" alone: none
  std::vector<std::string> stub_domains;  // DOMAIN=ADDR
  std::vector<IpPrefix> allow;            // empty: everybody
  std::string resolv_conf = "/etc/resolv.conf";
  std::uint32_t workers = 0;     // 0: one for each CPU
  std::uint32_t rate_limit = 0;  // replies a second, client network and worker; 0: no limit

  [[nodiscard]] bool is_served() const { return !listen.empty() || !node_local.empty(); }
  friend bool operator==(const Dns&, const Dns&) = default;
};

// The Kubernetes API as the source of records.
struct ApiServer {
  std::string kubeconfig;  // a file; empty: none
  std::string master;      // addresses, joined by commas; empty: the kubeconfig's, or the pod's
  bool endpoints = false;  // Endpoints, the older kind, instead of EndpointSlices
  std::string state_file;  // where the last records are kept; empty: nowhere

  friend bool operator==(const ApiServer&, const ApiServer&) = default;
};

// Of the userspace mode.
struct Userspace {
  bool direct = false;       // listen on VIPs that are addresses of this machine; no steering
  bool transparent = false;  // endpoints see the client's address
  bool least_connections = false;
  std::int32_t workers = 0;  // threads; 0: one for each CPU
  std::chrono::seconds udp_idle{60};
  std::chrono::seconds drain{30};  // for connections that are open when the end is asked for

  friend bool operator==(const Userspace&, const Userspace&) = default;
};

struct Config {
  std::string manifests;         // folder, file or "-"; empty: records come from the API
  std::optional<ApiServer> api;  // set exactly if they do
  std::string node_name;
  std::string config_file;  // its change ends the daemon; empty: none
  IpAddress bind_address;   // unspecified: primary address unknown, its family is the primary one

  ProxyMode mode = ProxyMode::iptables;
  bool fall_back_to_iptables = false;  // where the kernel lacks what the mode needs
  std::uint8_t masquerade_bit = 14;
  bool masquerade_all = false;
  bool localhost_node_ports = true;
  DetectLocal detect_local;
  NodePortAddresses node_port_addresses;
  std::chrono::nanoseconds sync_period = std::chrono::seconds{30};
  std::chrono::nanoseconds min_sync_period = std::chrono::seconds{1};

  Userspace userspace;
  Ipvs ipvs;
  Conntrack conntrack;
  std::int32_t oom_score_adj = -999;

  Dns dns;

  std::optional<SocketAddress> healthz;  // nullopt: no such server
  std::optional<SocketAddress> metrics;
  bool bind_address_hard_fail = false;
  std::string admin_socket;  // empty: none
  bool take_over = false;    // from the daemon that answers there
  int verbosity = 0;

  friend bool operator==(const Config&, const Config&) = default;
};

}  // namespace proxy::config
