#include "proxy/state/endpoint_list.hpp"

#include <algorithm>
#include <ostream>

namespace proxy::state {

std::string Endpoint::text() const {
  const auto ip = address.text();
  return (address.family() == Family::v6 ? "[" + ip + "]" : ip) + ":" + std::to_string(port.value);
}

std::ostream& operator<<(std::ostream& out, const Endpoint& endpoint) {
  return out << endpoint.text();
}

EndpointList::EndpointList(std::vector<Endpoint> endpoints) {
  if (!std::ranges::is_sorted(endpoints)) std::ranges::sort(endpoints);
  const auto [rest, end] = std::ranges::unique(endpoints);
  endpoints.erase(rest, end);
  if (endpoints.empty()) return;
  auto data = std::make_shared<Endpoint[]>(endpoints.size());
  std::ranges::copy(endpoints, data.get());
  data_ = std::move(data);
  size_ = endpoints.size();
}

bool EndpointList::contains(const Endpoint& endpoint) const {
  return std::binary_search(begin(), end(), endpoint);
}

bool operator==(const EndpointList& a, const EndpointList& b) {
  return a.shares_with(b) || std::ranges::equal(a, b);
}

}  // namespace proxy::state
