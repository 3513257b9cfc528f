// Keeps the zone up to date from the stream of records; the control thread's half of it.
//
// Pure: no socket, log or clock of its own. A change costs what it touches: one service's facts or
// endpoint table, and the addresses that came or went. Everything else is shared between the
// version that workers are reading and the next.
//
// DNS goes by `ready` alone: no traffic policy, topology hint or terminating fall-back, and objects
// that forwarding skips (headless, service.kubernetes.io/service-proxy-name) count here.
#pragma once

#include "dns/kept_slice.hpp"
#include "dns/zone.hpp"
#include "proxy/sources/source.hpp"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace dns {

class ZoneBuilder {
 public:
  // `unix_time`: seconds, for the serial number of the SOA record.
  ZoneBuilder(ZoneOptions options, std::function<std::uint32_t()> unix_time);
  ~ZoneBuilder();
  ZoneBuilder(const ZoneBuilder&) = delete;
  ZoneBuilder& operator=(const ZoneBuilder&) = delete;

  // The same stream as sources::Sink has. Kinds that DNS does not need are ignored. After the first
  // replace() the zone counts as synced.
  void replace(std::span<const proxy::records::Record> all);
  void change(std::span<const proxy::sources::Change> changes);

  // A version to publish, which shares all it can with earlier ones.
  [[nodiscard]] std::unique_ptr<const Zone> snapshot();
  // Would it show anything that the last one does not?
  [[nodiscard]] bool changed() const { return changed_; }

 private:
  struct ServiceState;
  using Services = std::unordered_map<std::string, ServiceState>;  // by their labels

  // The stream, object by object; refresh_touched() must follow.
  void put(const proxy::records::Record& record);
  void remove(const proxy::records::RecordKey& key);
  [[nodiscard]] bool is_served(const std::string& space) const;

  [[nodiscard]] std::string service_labels(const std::string& space, const std::string& name) const;
  [[nodiscard]] std::shared_ptr<const ServiceFacts> facts_of(const proxy::records::Service& service,
                                                             const std::string& labels) const;
  void put_service(const proxy::records::Service& service);
  void remove_service(const std::string& labels);

  void put_slice(const proxy::records::EndpointSlice& slice);
  void put_endpoints(const proxy::records::Endpoints& endpoints);
  void put_slices(const proxy::records::RecordKey& key, const std::string& service,
                  std::vector<SharedSlice> slices);
  void remove_slices(const proxy::records::RecordKey& key);

  [[nodiscard]] bool is_visible(const ServiceState& state, const EndpointTable* endpoints) const;
  void refresh_touched();
  void refresh(const std::string& labels);
  void update_addresses(const std::vector<IpAddress>& old_ones,
                        const std::vector<IpAddress>& new_ones, std::uint64_t service_hash);

  void put_namespace(const std::string& name);
  void count_namespace(const std::string& label, int change);
  void put_pod(const proxy::records::Pod& pod);
  void remove_pod(const proxy::records::ObjectName& name);
  [[nodiscard]] static std::function<bool(const ZonePod&)> is_pod(
      const IpAddress& address, const proxy::records::ObjectName& name, const std::string& label);

  std::shared_ptr<const ZoneOptions> options_;
  std::function<std::uint32_t()> unix_time_;
  Zone zone_;  // the working version
  Services services_;
  struct SliceOwner {
    std::string service;  // labels
    std::vector<SharedSlice> slices;
  };
  std::map<proxy::records::RecordKey, SliceOwner> slices_;
  std::map<std::string, int> namespaces_;  // label: objects that make it exist
  std::set<std::string> declared_namespaces_;
  struct PodState {
    std::vector<IpAddress> ips;
    bool host_network = false;
  };
  std::map<proxy::records::ObjectName, PodState> pods_;
  std::set<std::string> touched_;  // services to be looked at again
  bool changed_ = false;
};

}  // namespace dns
