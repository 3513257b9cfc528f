// What IPVS has counted, by service port and endpoint, read when somebody looks. The kernel adds up
// what its processors have counted every two seconds; bytes are those of whole IP packets.
#pragma once

#include "modes/ipvs/holdings.hpp"
#include "modes/ipvs/ipvs_kernel.hpp"

#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace modes::ipvs {

class TrafficReader {
 public:
  // `open` makes the one it reads by, so that it is in the way of no sync; called when first
  // needed.
  using Open = std::function<Result<std::unique_ptr<IpvsKernel>>()>;
  explicit TrafficReader(Open open) : open_{std::move(open)} {}

  // As Mode::traffic(). The holdings may change meanwhile; the caller keeps them and the names.
  [[nodiscard]] Awaitable<std::vector<Traffic>> read(const Holdings& holdings,
                                                     std::span<const ServicePortName> names);

 private:
  Open open_;
  std::unique_ptr<IpvsKernel> kernel_;
};

}  // namespace modes::ipvs
