// EndpointSlices for the Services that have none of their own: from Endpoints written by hand, else
// from Pods.
//
// Pure. Takes the changes of the records that were written, gives the changes of the slices that
// follow from them. A change of a pod costs what its labels reach (services are found by a label of
// their selector, pods by their labels), not a walk over all services.
#pragma once

#include "proxy/sources/manifests/catalogue.hpp"

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace proxy::sources::manifests {

class DerivedSlices {
 public:
  void apply(const RecordChange& change);

  // What changed in the slices since the last call, in the order of keys.
  [[nodiscard]] std::vector<RecordChange> take_changes();

 private:
  using Label = std::pair<std::string, std::string>;
  using LabelIndex = std::map<Label, std::set<std::string>>;  // names of what carries the label

  // Everything about one name that may be a service's.
  struct Candidate {
    RecordPtr service;
    RecordPtr endpoints;
    std::ptrdiff_t own_slices = 0;             // EndpointSlices whose label names it
    Label indexed_by;                          // the label of the selector under which it is found
    std::map<std::string, RecordPtr> derived;  // by name; as last given out

    [[nodiscard]] bool is_nothing() const {
      return !service && !endpoints && own_slices == 0 && derived.empty();
    }
  };
  struct Namespace {
    std::map<std::string, Candidate> candidates;
    std::map<std::string, RecordPtr> pods;
    LabelIndex pods_by_label;
    LabelIndex services_by_label;

    [[nodiscard]] bool is_empty() const { return candidates.empty() && pods.empty(); }
  };

  void count_slice(const records::EndpointSlice& slice, int difference);
  void apply_service(const RecordChange& change);
  void apply_pod(const RecordChange& change);
  void touch(const records::ObjectName& service) { touched_.insert(service); }
  void touch_services_of(const Namespace& space, const records::Pod& pod);
  [[nodiscard]] static std::vector<records::EndpointSlice> derive(const Namespace& space,
                                                                  const Candidate& candidate);

  std::map<std::string, Namespace> spaces_;
  std::set<records::ObjectName> touched_;  // services
};

}  // namespace proxy::sources::manifests
