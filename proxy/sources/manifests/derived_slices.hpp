// EndpointSlices for the Services that have none of their own: from Endpoints written by hand, else
// from Pods.
//
// Pure. Takes the changes of the records that were written, gives the changes of the slices that
// follow from them. A change of a pod costs what its labels reach (services are found by a label of
// their selector, pods by their labels), not a walk over all services. Keeps of services what
// endpoints follow from, of slices whose they are, and Pods and Endpoints whole.
#pragma once

#include "proxy/sources/manifests/catalogue.hpp"
#include "proxy/sources/manifests/label_index.hpp"
#include "proxy/sources/manifests/pod_endpoints.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace proxy::sources::manifests {

class DerivedSlices {
 public:
  void apply(const RecordChange& change);

  // What changed in the slices since the last call, services in order.
  [[nodiscard]] std::vector<RecordChange> take_changes();

 private:
  // Everything about one name that may be a service's.
  struct Candidate {
    std::optional<SelectingService> service;
    std::optional<records::Endpoints> endpoints;
    std::size_t own_slices = 0;                             // EndpointSlices whose label names it
    std::map<std::string, records::EndpointSlice> derived;  // by name; as last given out

    [[nodiscard]] bool is_nothing() const {
      return !service && !endpoints && own_slices == 0 && derived.empty();
    }
  };
  struct Namespace {
    std::map<std::string, Candidate> candidates;
    std::map<std::string, std::string> service_of_slice;
    std::map<std::string, records::Pod> pods;
    LabelIndex pods_by_label;      // by each of its labels
    LabelIndex services_by_label;  // by one of its selector

    [[nodiscard]] bool is_empty() const { return candidates.empty() && pods.empty(); }
  };

  void apply_service(const records::ObjectName& name, const records::Record* after);
  void apply_slice(const records::ObjectName& name, const records::Record* after);
  void apply_endpoints(const records::ObjectName& name, const records::Record* after);
  void apply_pod(const records::ObjectName& name, const records::Record* after);
  void touch(const records::ObjectName& service) { touched_.insert(service); }
  void touch_services_of(const Namespace& space, const records::Pod& pod);
  [[nodiscard]] static std::vector<records::EndpointSlice> derive(const Namespace& space,
                                                                  const Candidate& candidate);

  std::map<std::string, Namespace> spaces_;
  std::set<records::ObjectName> touched_;  // services
};

}  // namespace proxy::sources::manifests
