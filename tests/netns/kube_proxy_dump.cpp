#include "tests/netns/kube_proxy_dump.hpp"

#include <fmt/format.h>

#include <string_view>
#include <vector>

namespace netns {
namespace {

struct Endpoint {
  std::string_view chain;
  std::string_view ip;
  std::string_view destination;
};
struct Service {
  std::string_view name;
  std::string_view hash;
  std::string_view vip;
  int node_port;
  std::vector<Endpoint> endpoints;
};
struct Node {
  std::string_view pods;
  std::string_view host_bits;  // the prefix length of a single address
  std::vector<Service> services;
};

const Node& node_of(proxy::Family family) {
  static const Node v4{"10.180.0.0/16",
                       "/32",
                       {{"ns1/web:http",
                         "4LVCYZMTA5CQO6SX",
                         "172.30.0.41",
                         30001,
                         {{"KUBE-SEP-5ED2I3IZJDCPYPNU", "10.180.0.1", "10.180.0.1:80"},
                          {"KUBE-SEP-VXI7TW5OH6AC2OT6", "10.180.1.1", "10.180.1.1:80"}}},
                        {"ns1/gone:http",
                         "BNKZ2I4CA53P3O3E",
                         "172.30.0.99",
                         30099,
                         {{"KUBE-SEP-JPUUWZTJTTEHLBO4", "10.180.0.1", "10.180.0.1:80"}}}}};
  static const Node v6{
      "fd00:10:180::/48",
      "/128",
      {{"ns1/web:http",
        "4LVCYZMTA5CQO6SX",
        "fd00:172:30::41",
        30001,
        {{"KUBE-SEP-67D7RWTRTHEZ53ZW", "fd00:10:180::1", "[fd00:10:180::1]:80"},
         {"KUBE-SEP-THCVT3YHZ3N5BBJV", "fd00:10:180:1::1", "[fd00:10:180:1::1]:80"}}},
       {"ns1/gone:http",
        "BNKZ2I4CA53P3O3E",
        "fd00:172:30::99",
        30099,
        {{"KUBE-SEP-5K3XBA5BRHGLHYFK", "fd00:10:180::1", "[fd00:10:180::1]:80"}}}}};
  return family == proxy::Family::v4 ? v4 : v6;
}

constexpr const char* kFilter = R"(*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:KUBE-EXTERNAL-SERVICES - [0:0]
:KUBE-FIREWALL - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-PROXY-CANARY - [0:0]
:KUBE-PROXY-FIREWALL - [0:0]
:KUBE-SERVICES - [0:0]
-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
-A INPUT -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS
-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
-A INPUT -j KUBE-FIREWALL
-A INPUT -p tcp -m tcp --dport 9999 -m comment --comment "somebody else" -j ACCEPT
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -j KUBE-FIREWALL
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
)";

constexpr const char* kNat = R"(*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-PROXY-CANARY - [0:0]
:KUBE-SERVICES - [0:0]
{}-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
{}-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
COMMIT
)";

std::string chains_of(const Service& service) {
  auto out = fmt::format(":KUBE-EXT-{0} - [0:0]\n:KUBE-SVC-{0} - [0:0]\n", service.hash);
  for (const auto& endpoint : service.endpoints)
    out += fmt::format(":{} - [0:0]\n", endpoint.chain);
  return out;
}

std::string rules_of(const Service& service, const Node& node) {
  const auto vip = fmt::format("{}{}", service.vip, node.host_bits);
  auto out = fmt::format(
      "-A KUBE-SERVICES -d {vip} -p tcp -m comment --comment \"{name} cluster IP\" -m tcp --dport "
      "80 "
      "-j KUBE-SVC-{hash}\n"
      "-A KUBE-NODEPORTS -p tcp -m comment --comment {name} -m tcp --dport {port} -j "
      "KUBE-EXT-{hash}\n"
      "-A KUBE-EXT-{hash} -m comment --comment \"masquerade traffic for {name} external "
      "destinations\" "
      "-j KUBE-MARK-MASQ\n"
      "-A KUBE-EXT-{hash} -j KUBE-SVC-{hash}\n"
      "-A KUBE-SVC-{hash} ! -s {pods} -d {vip} -p tcp -m comment --comment \"{name} cluster IP\" "
      "-m tcp --dport 80 -j KUBE-MARK-MASQ\n",
      fmt::arg("vip", vip), fmt::arg("name", service.name), fmt::arg("hash", service.hash),
      fmt::arg("port", service.node_port), fmt::arg("pods", node.pods));
  auto left = service.endpoints.size();
  for (const auto& endpoint : service.endpoints) {
    const auto share = left == 1 ? std::string{}
                                 : fmt::format("-m statistic --mode random --probability {:.11f} ",
                                               1.0 / static_cast<double>(left));
    out += fmt::format(
        "-A KUBE-SVC-{hash} -m comment --comment \"{name} -> {to}\" {share}-j {chain}\n"
        "-A {chain} -s {ip}{host} -m comment --comment {name} -j KUBE-MARK-MASQ\n"
        "-A {chain} -p tcp -m comment --comment {name} -m tcp -j DNAT --to-destination {to}\n",
        fmt::arg("hash", service.hash), fmt::arg("name", service.name),
        fmt::arg("to", endpoint.destination), fmt::arg("share", share),
        fmt::arg("chain", endpoint.chain), fmt::arg("ip", endpoint.ip),
        fmt::arg("host", node.host_bits));
    --left;
  }
  return out;
}

}  // namespace

std::string kube_proxy_dump(proxy::Family family) {
  const auto& node = node_of(family);
  std::string chains;
  std::string rules;
  for (const auto& service : node.services) {
    chains += chains_of(service);
    rules += rules_of(service, node);
  }
  std::string out = "*mangle\n:KUBE-PROXY-CANARY - [0:0]\nCOMMIT\n";
  out += kFilter;
  if (family == proxy::Family::v4) {
    out +=
        "-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment \"block incoming "
        "localnet connections\" -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP\n";
  }
  out += "COMMIT\n";
  return out + fmt::format(kNat, chains, rules);
}

}  // namespace netns
