#include "bench/kernel_commits.hpp"

#include "bench/report.hpp"
#include "bench/synthetic_cluster.hpp"
#include "modes/iptables/chain_names.hpp"
#include "modes/netfilter/rule_codec.hpp"

#include <fmt/format.h>

#include <string>

namespace bench {
namespace {

using namespace modes::netfilter;
using modes::iptables::ServiceChainNames;
using proxy::state::Endpoint;
using proxy::state::ServicePortName;

const ChainName kServices{"KUBE-SERVICES"}, kMark{"KUBE-MARK-MASQ"};
constexpr int kServicesPerTransaction = 400;

ChainKey nat(const ChainName& name) {
  return {Family::v4, Table::nat, name};
}

ServicePortName name_of(int i) {
  return {service(i).name, "http", Protocol::tcp, Family::v4};
}

Rule jump(const ChainName& to, std::string comment) {
  Rule rule;
  rule.target = Jump{to};
  rule.comment = std::move(comment);
  return rule;
}

Rule to_vip(int i, const ChainName& to) {
  auto rule = jump(to, name_of(i).text() + " cluster IP");
  rule.destination = AddressMatch{IpPrefix::host(vip(i))};
  rule.protocol = Protocol::tcp;
  rule.destination_port = PortRange{kServicePort, kServicePort};
  return rule;
}

Rule masquerade_from_outside(int i) {
  auto rule = to_vip(i, kMark);
  rule.source = AddressMatch{cluster_cidr(), true};
  return rule;
}

Rule translation(int i, int e) {
  Rule rule;
  rule.protocol = Protocol::tcp;
  rule.target = Dnat{endpoint(i, e), kEndpointPort};
  return rule;
}

ChainName endpoint_chain(int i, int e) {
  const auto hashed = modes::iptables::hashed_string(name_of(i));
  return modes::iptables::endpoint_chain(hashed, Endpoint{endpoint(i, e), kEndpointPort});
}

// The chain that chooses among the first `endpoints` endpoints, by `choose(e)`.
template <class Choose>
RewriteChain choice(int i, int endpoints, bool is_new, Choose choose) {
  RewriteChain chain{nat(ServiceChainNames{name_of(i)}.cluster), is_new, {}, {}};
  chain.rules.push_back(masquerade_from_outside(i));
  for (int e = 0; e < endpoints; ++e) {
    chain.rules.push_back(choose(e));
    chain.rules.back().probability = probability_of(1, static_cast<std::uint32_t>(endpoints - e));
  }
  return chain;
}

RewriteChain kube_proxy_choice(int i, int endpoints, bool is_new) {
  return choice(i, endpoints, is_new, [i](int e) {
    return jump(endpoint_chain(i, e), name_of(i).text() + " -> " + endpoint(i, e).text());
  });
}

RewriteChain kube_proxy_endpoint(int i, int e) {
  const auto text = name_of(i).text();
  auto hairpin = jump(kMark, text);
  hairpin.source = AddressMatch{IpPrefix::host(endpoint(i, e))};
  auto rule = translation(i, e);
  rule.comment = text;
  return {nat(endpoint_chain(i, e)), true, {hairpin, rule}, {}};
}

void add_service(Transaction& out, int i) {
  out.push_back(AddChain{nat(ServiceChainNames{name_of(i)}.cluster)});
  for (int e = 0; e < kEndpointsPerService; ++e) {
    out.push_back(AddChain{nat(endpoint_chain(i, e))});
    out.push_back(kube_proxy_endpoint(i, e));
  }
  out.push_back(kube_proxy_choice(i, kEndpointsPerService, true));
}

}  // namespace

std::vector<Transaction> kube_proxy_layout(int services) {
  Rule mark;
  mark.target = Mark{0x4000, 0x4000};
  std::vector<Transaction> all{{AddTable{Family::v4, Table::nat}, AddBaseChain{nat("PREROUTING")},
                                AddBaseChain{nat("OUTPUT")}, AddChain{nat(kMark)},
                                RewriteChain{nat(kMark), true, {mark}, {}}}};
  RewriteChain dispatch{nat(kServices), true, {}, {}};
  for (int i = 0; i < services; ++i) {
    if (i % kServicesPerTransaction == 0) all.emplace_back();
    add_service(all.back(), i);
    dispatch.rules.push_back(to_vip(i, ServiceChainNames{name_of(i)}.cluster));
  }
  all.push_back({AddChain{nat(kServices)}, std::move(dispatch),
                 AppendRule{nat("PREROUTING"), jump(kServices, "kubernetes service portals")},
                 AppendRule{nat("OUTPUT"), jump(kServices, "kubernetes service portals")}});
  return all;
}

Transaction kube_proxy_change(int services) {
  const int i = services / 2;
  return {kube_proxy_choice(i, kEndpointsPerService - 1, false)};
}

Transaction viaduct_change(int services) {
  const int i = services / 2;
  return {choice(i, kEndpointsPerService - 1, false, [i](int e) { return translation(i, e); })};
}

void commit(Kernel& kernel, const Transaction& transaction) {
  const auto generation = kernel.generation();
  if (!generation) fail(generation.error().text());
  const auto result = kernel.commit(transaction, *generation);
  if (!result) fail(result.error().text());
  if (result->kind != CommitResult::Kind::committed) fail("the kernel refused a transaction");
}

}  // namespace bench
