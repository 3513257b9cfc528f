#include "bench/synthetic_cluster.hpp"

#include <memory>
#include <string>

namespace bench {

using namespace proxy;

namespace {

std::string name_of(int service) {
  return "service-" + std::to_string(service);
}

}  // namespace

IpAddress vip(int service) {
  return IpAddress::v4(0x0a600000U + static_cast<std::uint32_t>(service));
}

IpAddress endpoint(int service, int number) {
  return IpAddress::v4(0x0ab40000U +
                       static_cast<std::uint32_t>(service * kEndpointsPerService + number));
}

IpPrefix cluster_cidr() {
  return IpPrefix::of(IpAddress::v4(0x0ab00000U), 12);
}

records::Service service(int number) {
  records::Service service;
  service.name = {"default", name_of(number)};
  service.cluster_ips = {vip(number)};
  service.ip_families = {Family::v4};
  service.ports.resize(1);
  service.ports[0].name = "http";
  service.ports[0].port = kServicePort;
  return service;
}

records::EndpointSlice slice(int number, bool shrunk) {
  static const auto kNodes = [] {
    std::vector<records::SharedText> nodes;
    for (int node = 0; node < 10; ++node) {
      nodes.push_back(std::make_shared<const std::string>("node-" + std::to_string(node)));
    }
    return nodes;
  }();
  records::EndpointSlice slice;
  slice.name = {"default", name_of(number) + "-abcde"};
  slice.service = name_of(number);
  slice.ports = {{"http", Protocol::tcp, kEndpointPort}};
  slice.endpoints.resize(kEndpointsPerService - (shrunk ? 1 : 0));
  for (std::size_t i = 0; i < slice.endpoints.size(); ++i) {
    slice.endpoints[i].address = endpoint(number, static_cast<int>(i));
    slice.endpoints[i].node = kNodes[i % kNodes.size()];
  }
  return slice;
}

std::vector<records::Record> cluster(int services) {
  std::vector<records::Record> all;
  all.reserve(2 * static_cast<std::size_t>(services));
  for (int i = 0; i < services; ++i) {
    all.emplace_back(service(i));
    all.emplace_back(slice(i));
  }
  return all;
}

}  // namespace bench
