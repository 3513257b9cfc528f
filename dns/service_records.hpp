// What one Service says to DNS: immutable, compact, and in the bytes that answers are made of.
//
// Two halves, because they change at different times: ServiceFacts from the Service itself, and
// EndpointTable from its slices. A new endpoint replaces only the second.
#pragma once

#include "dns/address_name.hpp"
#include "dns/small_list.hpp"
#include "dns/wire.hpp"
#include "proxy/protocol.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dns {

using proxy::Protocol;

using V4 = std::array<std::uint8_t, 4>;  // addresses in network order
using V6 = std::array<std::uint8_t, 16>;

[[nodiscard]] inline Bytes bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
[[nodiscard]] inline std::string_view text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A named port of a service: the leftmost two labels of an SRV owner, and what they lead to.
struct PortFacts {
  std::string label;  // "\5_http", lower-cased, with length byte; empty for a port without a name
  Protocol protocol = Protocol::tcp;
  std::uint16_t port = 0;  // host order

  friend bool operator==(const PortFacts&, const PortFacts&) = default;
};

enum class ServiceKind : std::uint8_t {
  virtual_ip,  // has cluster IPs
  headless,    // answers with its endpoints
  alias,       // ExternalName
};

// Everything of a Service that DNS answers with. In order of use: an address question reads the
// first two cache lines.
struct ServiceFacts {
  std::uint64_t hash = 0;  // of `labels`
  ServiceKind kind = ServiceKind::virtual_ip;
  bool publish_not_ready = false;
  SmallList<std::uint8_t, 40> name;  // "\3web\4shop": service and namespace, lower-cased, no zero
  SmallList<V4, 2> v4;               // cluster IPs
  SmallList<V6, 1> v6;
  std::vector<PortFacts> ports;  // of a headless service those of its slices count instead
  std::string target;            // alias: uncompressed wire form; empty if it is no valid name

  [[nodiscard]] Bytes labels() const { return name.all(); }
  [[nodiscard]] bool has_protocol(Protocol protocol) const;
  [[nodiscard]] bool has_address(Bytes address) const;
  friend bool operator==(const ServiceFacts&, const ServiceFacts&) = default;
};

// The endpoints of a service that have records of their own: all usable ones of a headless service;
// of other services those with a hostname.
class EndpointTable {
 public:
  // An endpoint before it is put in order. The same address may come several times.
  struct Entry {
    Bytes address;           // 4 or 16 bytes; valid during construction only
    std::string_view label;  // hostname label with length byte; empty: named by its address
    std::span<const PortFacts> ports;
  };
  explicit EndpointTable(std::span<const Entry> entries);

  [[nodiscard]] std::span<const V4> v4() const { return v4_; }
  [[nodiscard]] std::span<const V6> v6() const { return v6_; }
  [[nodiscard]] std::size_t size() const { return v4_.size() + v6_.size(); }  // addresses

  // Endpoints are numbered: first the IPv4 addresses, then the IPv6 ones, each in order.
  using Index = std::uint32_t;
  [[nodiscard]] Bytes address(Index index) const {
    return index < v4_.size() ? Bytes{v4_[index]} : Bytes{v6_[index - v4_.size()]};
  }
  [[nodiscard]] std::optional<Index> find_address(Bytes address) const;

  // The endpoints that go by a hostname label (with its length byte).
  struct Named {
    std::uint32_t label;  // offset in labels_
    Index index;
    friend bool operator==(const Named&, const Named&) = default;
  };
  [[nodiscard]] std::span<const Named> find_label(Bytes label) const;
  // The hostname label of an endpoint, with its length byte; empty if it goes by its address.
  [[nodiscard]] Bytes label(Index index) const;

  // An SRV record for each member: the endpoint names that have this port. Endpoints of one
  // hostname are one member, the first of them.
  struct PortGroup {
    PortFacts port;
    bool all = false;  // every endpoint is a member; then `members` is empty
    std::vector<Index> members;
    friend bool operator==(const PortGroup&, const PortGroup&) = default;
  };
  [[nodiscard]] std::span<const PortGroup> groups() const { return groups_; }
  [[nodiscard]] std::size_t member_count(const PortGroup& group) const {
    return group.all ? size() : group.members.size();
  }
  [[nodiscard]] Index member(const PortGroup& group, std::size_t i) const {
    return group.all ? static_cast<Index>(i) : group.members[i];
  }
  [[nodiscard]] bool is_member(const PortGroup& group, Index index) const {
    return group.all || std::binary_search(group.members.begin(), group.members.end(), index);
  }
  [[nodiscard]] bool has_protocol(Protocol protocol) const;

  friend bool operator==(const EndpointTable&, const EndpointTable&) = default;

 private:
  static constexpr std::uint32_t kNoLabel = UINT32_MAX;
  [[nodiscard]] Bytes label_at(std::uint32_t offset) const;
  void index_names(std::span<const Entry> entries);
  void group_ports(std::span<const Entry> entries);

  std::vector<V4> v4_;  // sorted, no duplicates
  std::vector<V6> v6_;
  std::string labels_;                      // one after the other, each once
  std::vector<Named> named_;                // sorted by label, then index
  std::vector<std::uint32_t> first_label_;  // of each endpoint, or kNoLabel; empty if none has one
  std::vector<PortGroup> groups_;
};

}  // namespace dns
