#include "bench/kube_proxy_rules.hpp"

#include "bench/synthetic_cluster.hpp"

#include <fmt/format.h>

namespace bench {
namespace {

std::string service_chain(int i) {
  return fmt::format("KUBE-SVC-{:016X}", i);
}
std::string endpoint_chain(int i, int e) {
  return fmt::format("KUBE-SEP-{:016X}", i * kEndpointsPerService + e);
}

void service_rules(std::string& out, int i, int endpoints) {
  const auto name = fmt::format("default/service-{}:http", i);
  out += fmt::format(
      "-A {} ! -s {} -d {}/32 -p tcp -m comment --comment \"{} cluster IP\" -m tcp --dport 80 "
      "-j KUBE-MARK-MASQ\n",
      service_chain(i), cluster_cidr().text(), vip(i).text(), name);
  for (int e = 0; e < endpoints; ++e) {
    const auto ip = endpoint(i, e).text();
    out += fmt::format("-A {}", service_chain(i));
    if (e + 1 < endpoints) {
      out +=
          fmt::format(" -m statistic --mode random --probability {:.10f}", 1.0 / (endpoints - e));
    }
    out += fmt::format(
        " -j {}\n-A {} -s {}/32 -j KUBE-MARK-MASQ\n-A {} -p tcp -m tcp -j DNAT --to-destination "
        "{}:8080\n",
        endpoint_chain(i, e), endpoint_chain(i, e), ip, endpoint_chain(i, e), ip);
  }
}

void declare_chains(std::string& out, int i) {
  out += fmt::format(":{} - [0:0]\n", service_chain(i));
  for (int e = 0; e < kEndpointsPerService; ++e) {
    out += fmt::format(":{} - [0:0]\n", endpoint_chain(i, e));
  }
}

void dispatch(std::string& out, int services) {
  for (int i = 0; i < services; ++i) {
    out += fmt::format(
        "-A KUBE-SERVICES -d {}/32 -p tcp -m comment --comment \"default/service-{}:http cluster "
        "IP\" -m tcp --dport 80 -j {}\n",
        vip(i).text(), i, service_chain(i));
  }
}

constexpr const char* kNftablesFixed = R"(
  chain mark-for-masquerade { meta mark set meta mark or 0x4000; }
  chain services { ip daddr . meta l4proto . th dport vmap @service-ips; }
  chain service-endpoints-check {
    ip daddr . meta l4proto . th dport vmap @no-endpoint-services
  }
  chain firewall-check { ip daddr . meta l4proto . th dport vmap @firewall-ips; }
  chain cluster-ips-check { ip daddr @cluster-ips reject; }
  chain filter-prerouting-pre-dnat {
    type filter hook prerouting priority -110
    ct state new jump firewall-check
  }
  chain filter-input { type filter hook input priority -110
    ct state new jump service-endpoints-check
  }
  chain filter-forward { type filter hook forward priority -110
    ct state new jump service-endpoints-check
    ct state new jump cluster-ips-check
  }
  chain nat-prerouting { type nat hook prerouting priority -100
    jump services
  }
  chain nat-output { type nat hook output priority -100
    jump services
  }
  chain nat-postrouting { type nat hook postrouting priority 100
    meta mark and 0x4000 != 0x4000 return
    meta mark set meta mark xor 0x4000
    masquerade fully-random
  }
}
)";

void verdict_map_service(std::string& out, int i) {
  std::string choices;
  for (int e = 0; e < kEndpointsPerService; ++e) {
    const auto ip = endpoint(i, e).text();
    out += fmt::format(
        "  chain endpoint-{}-{} {{\n    ip saddr {} jump mark-for-masquerade\n"
        "    meta l4proto tcp dnat to {}:8080\n  }}\n",
        i, e, ip, ip);
    choices += fmt::format("{}{} : goto endpoint-{}-{}", e == 0 ? "" : ", ", e, i, e);
  }
  out += fmt::format(
      "  chain service-{} {{\n    ip daddr {} tcp dport 80 ip saddr != {} jump "
      "mark-for-masquerade\n    numgen random mod {} vmap {{ {} }}\n  }}\n",
      i, vip(i).text(), cluster_cidr().text(), kEndpointsPerService, choices);
}

}  // namespace

std::string iptables_full_load(int services) {
  std::string out = "*nat\n:KUBE-SERVICES - [0:0]\n:KUBE-MARK-MASQ - [0:0]\n";
  for (int i = 0; i < services; ++i) declare_chains(out, i);
  out +=
      "-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000\n-A PREROUTING -j KUBE-SERVICES\n-A OUTPUT -j "
      "KUBE-SERVICES\n";
  dispatch(out, services);
  for (int i = 0; i < services; ++i) service_rules(out, i, kEndpointsPerService);
  return out + "COMMIT\n";
}

std::string iptables_one_change(int services, int endpoints) {
  std::string out = "*nat\n:KUBE-SERVICES - [0:0]\n";
  declare_chains(out, services / 2);
  dispatch(out, services);
  service_rules(out, services / 2, endpoints);
  return out + "COMMIT\n";
}

std::string nftables_full_load(int services) {
  std::string out = "table ip kube-proxy {\n";
  for (const char* map : {"service-ips", "no-endpoint-services", "firewall-ips"}) {
    out +=
        fmt::format("  map {} {{ type ipv4_addr . inet_proto . inet_service : verdict; }}\n", map);
  }
  out += "  set cluster-ips { type ipv4_addr; }\n";
  verdict_map_service(out, 0);
  verdict_map_service(out, services - 1);
  out += "  chain service-other { drop; }\n";
  out += kNftablesFixed;
  for (int i = 0; i < services; ++i) {
    const auto chain = i == 0 || i == services - 1 ? std::to_string(i) : "other";
    out += fmt::format(
        "add element ip kube-proxy service-ips {{ {} . tcp . 80 : goto service-{} }}\n"
        "add element ip kube-proxy cluster-ips {{ {} }}\n",
        vip(i).text(), chain, vip(i).text());
  }
  return out;
}

}  // namespace bench
