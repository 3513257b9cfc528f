// Records written in a line.
#pragma once

#include "proxy/records/objects.hpp"
#include "proxy/sources/source.hpp"

#include <cstdint>
#include <string>

namespace fakes {

// Service ns/NAME with the cluster IP 10.96.0.LAST, TCP port 80.
inline proxy::records::Service service(const std::string& name, std::uint8_t last) {
  proxy::records::Service record;
  record.name = {"ns", name};
  record.cluster_ips = {proxy::IpAddress::v4(0x0a600000U | last)};
  record.ports = {
      {.name = "", .port = proxy::Port{80}, .node_port = {}, .target_port = proxy::Port{80}}};
  return record;
}

inline proxy::sources::Removal without_service(const std::string& name) {
  return {{proxy::records::Kind::service, {"ns", name}}};
}

}  // namespace fakes
