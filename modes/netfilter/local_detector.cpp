#include "modes/netfilter/local_detector.hpp"

namespace modes::netfilter {

LocalDetector local_detector(const proxy::config::DetectLocal& detect) {
  using proxy::config::DetectLocalMode;
  switch (detect.mode) {
    case DetectLocalMode::cluster_cidr:
      return LocalByPrefix{detect.cluster_cidrs};
    case DetectLocalMode::node_cidr:
      return LocalByNodePrefix{};
    case DetectLocalMode::bridge_interface:
      return LocalByInterface{detect.bridge_interface};
    case DetectLocalMode::interface_name_prefix:
      return LocalByInterface{detect.interface_name_prefix + "+"};
  }
  return LocalByPrefix{};
}

}  // namespace modes::netfilter
