// Any bytes at a small cluster's server: never a crash, and every reply is well formed, within its
// size limit, and no answer to a reply.
#include "dns/message.hpp"
#include "dns/responder.hpp"
#include "dns/zone_builder.hpp"

#include <cstdlib>

namespace {

namespace records = proxy::records;

records::SliceEndpoint endpoint(const char* address, const char* hostname) {
  records::SliceEndpoint made;
  made.address = *proxy::parse_ip(address);
  if (hostname != nullptr) {
    records::EndpointExtras extras;
    extras.hostname = hostname;
    made.extras = std::make_unique<const records::EndpointExtras>(std::move(extras));
  }
  return made;
}

std::unique_ptr<const dns::Zone> small_zone() {
  dns::ZoneOptions options;
  options.domain = *dns::parse_name("c.l");  // short, so that the fuzzer finds it
  options.pod_records = dns::PodRecords::verified;
  dns::ZoneBuilder builder{options, [] { return 1u; }};
  std::vector<records::Record> all;
  records::Service web;
  web.name = {"n", "w"};
  web.cluster_ips = {*proxy::parse_ip("10.0.0.1"), *proxy::parse_ip("fd00::1")};
  web.ports.push_back({"p", proxy::Protocol::tcp, {80}, {}, proxy::Port{80}});
  all.push_back(web);
  records::Service pets;
  pets.name = {"n", "h"};
  pets.headless = true;
  all.push_back(pets);
  records::EndpointSlice slice;
  slice.name = {"n", "h-1"};
  slice.service = "h";
  slice.ports.push_back({"p", proxy::Protocol::tcp, proxy::Port{80}});
  slice.endpoints.push_back(endpoint("10.1.0.1", "c"));
  slice.endpoints.push_back(endpoint("10.1.0.2", nullptr));
  all.push_back(std::move(slice));
  for (const auto& [name, target] :
       {std::pair{"a", "w.n.svc.c.l"}, {"b", "x.y"}, {"l", "l.n.svc.c.l"}}) {
    records::Service alias;
    alias.name = {"n", name};
    alias.type = records::ServiceType::external_name;
    alias.external_name = target;
    all.push_back(alias);
  }
  records::Pod pod;
  pod.name = {"n", "p"};
  pod.ips = {*proxy::parse_ip("10.1.0.9")};
  all.push_back(pod);
  builder.replace(all);
  return builder.snapshot();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto zone = small_zone();
  static const dns::Responder responder{{.recursion = true,
                                         .autopath = true,
                                         .search = {*dns::parse_name("node.example")},
                                         .cookie_key = dns::SipKey{1, 2, 3}}};
  static dns::Exchange exchange;
  static std::vector<std::uint8_t> reply(dns::kMaxMessage);
  if (size == 0) return 0;
  const dns::Bytes query{data + 1, size - 1};
  const dns::Asking asking{.client = *proxy::parse_ip("10.1.0.9"),
                           .stream = (data[0] & 1) != 0,
                           .now = 1,
                           .rotation = data[0] * 0x01010101u};
  exchange.autopath_step = data[0] >> 1 & 3;
  const auto outcome = responder.respond(*zone, query, asking, exchange, reply);
  if (outcome.next != dns::Next::send) return 0;
  const std::size_t limit = asking.stream ? dns::kMaxMessage : dns::kMaxUdpSize;
  if (outcome.size > limit || (query[2] & 0x80) != 0) std::abort();
  const auto message = dns::decode_message(dns::Bytes{reply}.first(outcome.size));
  if (!message || !message->has(dns::flag::kResponse)) std::abort();
  return 0;
}
