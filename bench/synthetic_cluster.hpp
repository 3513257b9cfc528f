// The cluster that benches load: N services with one TCP port and one EndpointSlice of 10 ready
// endpoints each, one in ten endpoints on this node ("node-0").
#pragma once

#include "proxy/records/objects.hpp"

#include <vector>

namespace bench {

inline constexpr int kEndpointsPerService = 10;
inline constexpr proxy::Port kServicePort{80}, kEndpointPort{8080};

[[nodiscard]] proxy::records::Service service(int number);
// Without its last endpoint if `shrunk`.
[[nodiscard]] proxy::records::EndpointSlice slice(int number, bool shrunk = false);
[[nodiscard]] std::vector<proxy::records::Record> cluster(int services);

// The addresses that the functions above give out.
[[nodiscard]] proxy::IpAddress vip(int service);
[[nodiscard]] proxy::IpAddress endpoint(int service, int number);
[[nodiscard]] proxy::IpPrefix cluster_cidr();  // has all endpoints

}  // namespace bench
