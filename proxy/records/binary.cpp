#include "proxy/records/binary.hpp"

#include "proxy/records/fields.hpp"

#include <cstddef>
#include <limits>
#include <type_traits>
#include <utility>

namespace proxy::records {
namespace {

// Both directions go through the same description of each struct (the pass() functions), so that
// they cannot disagree. An archive is called with the members in order.

class Writer {
 public:
  template <class... Members>
  void operator()(const Members&... members) {
    (put(members), ...);
  }
  void unshared(const SharedText& text) { put(text); }
  [[nodiscard]] std::string take() { return std::move(bytes_); }

  void number(std::uint64_t value) {
    while (value >= 0x80) {
      bytes_ += static_cast<char>(value | 0x80);
      value >>= 7;
    }
    bytes_ += static_cast<char>(value);
  }

 private:
  void put(bool value) { bytes_ += value ? '\1' : '\0'; }
  template <class T>
    requires std::is_enum_v<T> || std::is_integral_v<T>
  void put(const T& value) {
    number(static_cast<std::uint64_t>(value));
  }
  void put(const std::string& text) {
    number(text.size());
    bytes_ += text;
  }
  void put(const SharedText& text) { put(text ? *text : std::string{}); }
  void put(Port port) { number(port.value); }
  void put(const IpAddress& address) {
    put(address.family());
    const auto bytes = address.bytes();
    bytes_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void put(std::chrono::seconds seconds) { put(seconds.count()); }
  void put(std::chrono::system_clock::time_point time) { put(time.time_since_epoch().count()); }
  template <class T>
  void put(const std::optional<T>& value) {
    put(value.has_value());
    if (value) put(*value);
  }
  template <class T>
  void put(const std::vector<T>& list) {
    number(list.size());
    for (const auto& entry : list) put(entry);
  }
  void put(const Labels& labels) {
    number(labels.size());
    for (const auto& [key, value] : labels) (*this)(key, value);
  }
  void put(const std::variant<Port, std::string>& value) {
    put(value.index() == 1);
    std::visit([this](const auto& either) { put(either); }, value);
  }
  void put(const std::unique_ptr<const EndpointExtras>& extras) {
    put(extras != nullptr);
    if (extras) put(*extras);
  }
  template <class T>
    requires std::is_class_v<T>
  void put(const T& value) {
    pass(*this, value);
  }

  std::string bytes_;
};

// Remembers that something was wrong and goes on with defaults; who reads asks at the end.
class Reader {
 public:
  Reader(std::string_view bytes, json::SharedTexts& shared) : rest_{bytes}, shared_{shared} {}

  template <class... Members>
  void operator()(Members&... members) {
    (get(members), ...);
  }
  // A text of which hardly two are the same.
  void unshared(SharedText& text) {
    std::string own;
    get(own);
    text = own.empty() ? nullptr : std::make_shared<const std::string>(std::move(own));
  }
  [[nodiscard]] bool is_good_to_the_end() const { return good_ && rest_.empty(); }

  std::uint64_t number() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1).empty() ? '\0' : last_);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    good_ = false;
    return 0;
  }

 private:
  std::string_view take(std::size_t size) {
    if (size > rest_.size()) {
      good_ = false;
      rest_ = {};
      return {};
    }
    const auto taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    if (!taken.empty()) last_ = taken.back();
    return taken;
  }
  // A length of things of at least one byte each: nothing is reserved for more than there can be.
  std::size_t length() {
    const auto value = number();
    if (value <= rest_.size()) return static_cast<std::size_t>(value);
    good_ = false;
    return 0;
  }

  void get(bool& value) { value = number() != 0; }
  template <class T>
    requires std::is_integral_v<T>
  void get(T& value) {
    value = static_cast<T>(number());
  }
  template <class T>
    requires std::is_enum_v<T>
  void get(T& value) {
    const auto raw = number();
    if (!is_one_of(value, raw)) good_ = false;
    value = good_ ? static_cast<T>(raw) : T{};
  }
  static bool up_to(auto last, std::uint64_t raw) {
    return raw <= static_cast<std::uint64_t>(last);
  }
  static bool is_one_of(Family, std::uint64_t raw) { return up_to(Family::v6, raw); }
  static bool is_one_of(ServiceType, std::uint64_t raw) {
    return up_to(ServiceType::external_name, raw);
  }
  static bool is_one_of(TrafficPolicy, std::uint64_t raw) {
    return up_to(TrafficPolicy::local, raw);
  }
  static bool is_one_of(Protocol, std::uint64_t raw) {
    return raw == static_cast<std::uint64_t>(Protocol::tcp) ||
           raw == static_cast<std::uint64_t>(Protocol::udp) ||
           raw == static_cast<std::uint64_t>(Protocol::sctp);
  }
  void get(std::string& text) { text = take(length()); }
  void get(SharedText& text) { text = shared_.get(take(length())); }
  void get(Port& port) {
    const auto value = number();
    if (value > std::numeric_limits<std::uint16_t>::max()) good_ = false;
    port.value = static_cast<std::uint16_t>(value);
  }
  void get(IpAddress& address) {
    Family family{};
    get(family);
    const auto bytes = take(address_size(family));
    if (!good_) return;
    address = IpAddress::from_bytes(family, std::as_bytes(std::span{bytes.data(), bytes.size()}));
  }
  void get(IpPrefix& prefix) {
    IpAddress address;
    std::uint8_t bits = 0;
    (*this)(address, bits);
    if (bits > address_bits(address.family())) good_ = false;
    if (good_) prefix = IpPrefix::of(address, bits);
  }
  void get(std::chrono::seconds& seconds) {
    seconds = std::chrono::seconds{static_cast<std::int64_t>(number())};
  }
  void get(std::chrono::system_clock::time_point& time) {
    using Time = std::chrono::system_clock::time_point;
    time = Time{Time::duration{static_cast<Time::rep>(number())}};
  }
  template <class T>
  void get(std::optional<T>& value) {
    bool present = false;
    get(present);
    value.reset();
    if (present) get(value.emplace());
  }
  template <class T>
  void get(std::vector<T>& list) {
    const auto size = length();
    list.reserve(size);
    for (std::size_t i = 0; i < size && good_; ++i) get(list.emplace_back());
    list.shrink_to_fit();
  }
  void get(Labels& labels) {
    const auto size = length();
    for (std::size_t i = 0; i < size && good_; ++i) {
      std::string key;
      std::string value;
      (*this)(key, value);
      labels.insert_or_assign(std::move(key), std::move(value));
    }
  }
  void get(std::variant<Port, std::string>& value) {
    bool is_name = false;
    get(is_name);
    if (is_name) {
      get(value.emplace<std::string>());
    } else {
      get(value.emplace<Port>());
    }
  }
  void get(std::unique_ptr<const EndpointExtras>& extras) {
    bool present = false;
    get(present);
    if (!present) return;
    EndpointExtras read;
    get(read);
    extras = std::make_unique<const EndpointExtras>(std::move(read));
  }
  template <class T>
    requires std::is_class_v<T>
  void get(T& value) {
    pass(*this, value);
  }

  std::string_view rest_;
  json::SharedTexts& shared_;
  char last_ = 0;
  bool good_ = true;
};

// `Struct` as an archive of either direction sees it.
template <class T, class Struct>
concept Is = std::same_as<std::remove_const_t<T>, Struct>;

template <class Archive>
void pass(Archive& archive, Is<IpPrefix> auto& prefix) {
  archive(prefix.address, prefix.length);
}
template <class Archive>
void pass(Archive& archive, Is<ObjectName> auto& name) {
  archive(name.space, name.name);
}
template <class Archive>
void pass(Archive& archive, Is<ServicePortSpec> auto& port) {
  archive(port.name, port.protocol, port.port, port.node_port, port.target_port);
}
template <class Archive>
void pass(Archive& archive, Is<LoadBalancerIngress> auto& ingress) {
  archive(ingress.ip, ingress.is_vip);
}
template <class Archive>
void pass(Archive& archive, Is<Service> auto& service) {
  archive(service.name, service.labels, service.annotations, service.type, service.headless,
          service.cluster_ips, service.ip_families, service.ports, service.selector,
          service.external_ips, service.external_name, service.load_balancer_source_ranges,
          service.load_balancer_ingress, service.client_ip_affinity, service.internal_policy,
          service.external_policy, service.health_check_node_port,
          service.publish_not_ready_addresses);
}
template <class Archive>
void pass(Archive& archive, Is<EndpointExtras> auto& extras) {
  archive(extras.hostname, extras.zone_hints, extras.node_hints);
}
template <class Archive>
void pass(Archive& archive, Is<SliceEndpoint> auto& endpoint) {
  archive(endpoint.address, endpoint.ready, endpoint.serving, endpoint.terminating, endpoint.node);
  archive.unshared(endpoint.target_pod);
  archive(endpoint.extras);
}
template <class Archive>
void pass(Archive& archive, Is<SlicePort> auto& port) {
  archive(port.name, port.protocol, port.port);
}
template <class Archive>
void pass(Archive& archive, Is<EndpointSlice> auto& slice) {
  archive(slice.name, slice.service, slice.headless_label, slice.family, slice.ports,
          slice.endpoints, slice.last_change_trigger);
}
template <class Archive>
void pass(Archive& archive, Is<EndpointsSubset> auto& subset) {
  archive(subset.endpoints, subset.ports);
}
template <class Archive>
void pass(Archive& archive, Is<Endpoints> auto& endpoints) {
  archive(endpoints.name, endpoints.headless_label, endpoints.subsets);
}
template <class Archive>
void pass(Archive& archive, Is<records::Node> auto& node) {
  archive(node.name, node.labels, node.ips, node.pod_cidrs, node.being_deleted, node.taints);
}
template <class Archive>
void pass(Archive& archive, Is<Namespace> auto& space) {
  archive(space.name);
}
template <class Archive>
void pass(Archive& archive, Is<ServiceCidr> auto& cidr) {
  archive(cidr.name, cidr.cidrs);
}
template <class Archive>
void pass(Archive& archive, Is<ContainerPort> auto& port) {
  archive(port.name, port.port, port.protocol);
}
template <class Archive>
void pass(Archive& archive, Is<Pod> auto& pod) {
  archive(pod.name, pod.labels, pod.ips, pod.node, pod.hostname, pod.subdomain, pod.host_network,
          pod.ready, pod.finished, pod.terminating, pod.ports);
}

// The alternative with this index, default-made.
template <std::size_t... Index>
bool emplace(Record& record, std::size_t which, std::index_sequence<Index...>) {
  return ((which == Index && (record.emplace<Index>(), true)) || ...);
}

}  // namespace

std::string to_bytes(const Record& record) {
  Writer writer;
  writer.number(record.index());
  std::visit([&](const auto& object) { pass(writer, object); }, record);
  return writer.take();
}

struct BinaryReader::Impl {
  json::SharedTexts shared;
};

BinaryReader::BinaryReader() : impl_{std::make_unique<Impl>()} {}
BinaryReader::~BinaryReader() = default;
BinaryReader::BinaryReader(BinaryReader&&) noexcept = default;
BinaryReader& BinaryReader::operator=(BinaryReader&&) noexcept = default;

Result<Record> BinaryReader::read(std::string_view bytes) {
  Reader reader{bytes, impl_->shared};
  Record record;
  const auto which = static_cast<std::size_t>(reader.number());
  constexpr auto kAll = std::make_index_sequence<std::variant_size_v<Record>>{};
  if (!emplace(record, which, kAll)) return invalid("a record of an unknown kind");
  std::visit([&](auto& object) { pass(reader, object); }, record);
  if (!reader.is_good_to_the_end()) return invalid("not the bytes of a record");
  return record;
}

}  // namespace proxy::records
