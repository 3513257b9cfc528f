// A service port's endpoints as a list that many may hold at once.
//
// On most nodes the endpoints usable under Cluster are the serving ones, and often the local ones
// too: three names for one list. A list is therefore immutable and shared; a copy costs a pointer,
// and comparing two names of one list costs nothing.
#pragma once

#include "proxy/ip_address.hpp"
#include "proxy/protocol.hpp"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace proxy::state {

struct Endpoint {
  IpAddress address;
  Port port;

  [[nodiscard]] std::string text() const;  // "10.0.0.7:8080", "[fd00::7]:8080"
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};
std::ostream& operator<<(std::ostream& out, const Endpoint& endpoint);

// Sorted, without duplicates, whatever it was made from.
class EndpointList {
 public:
  using value_type = Endpoint;
  using const_iterator = const Endpoint*;

  EndpointList() = default;
  // Implicit, so that a list can be written where one is wanted.
  EndpointList(std::vector<Endpoint> endpoints);
  EndpointList(std::initializer_list<Endpoint> endpoints)
      : EndpointList{std::vector<Endpoint>{endpoints}} {}

  [[nodiscard]] const_iterator begin() const { return data_.get(); }
  [[nodiscard]] const_iterator end() const { return data_.get() + size_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] const Endpoint& operator[](std::size_t index) const {
    return data_[static_cast<std::ptrdiff_t>(index)];
  }
  [[nodiscard]] const Endpoint& front() const { return *begin(); }
  [[nodiscard]] const Endpoint& back() const { return *(end() - 1); }
  [[nodiscard]] bool contains(const Endpoint& endpoint) const;
  operator std::span<const Endpoint>() const { return {begin(), size_}; }

  // Are both names of the same list in memory? Then they are equal, but not the other way round.
  [[nodiscard]] bool shares_with(const EndpointList& other) const { return data_ == other.data_; }

  friend bool operator==(const EndpointList& a, const EndpointList& b);

 private:
  std::shared_ptr<const Endpoint[]> data_;  // one allocation of exactly size_; null when empty
  std::size_t size_ = 0;
};

}  // namespace proxy::state
