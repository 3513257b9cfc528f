#include "proxy/sources/manifests/derived_slices.hpp"

#include "proxy/records/mirror.hpp"
#include "proxy/sources/manifests/pod_endpoints.hpp"

#include <algorithm>

namespace proxy::sources::manifests {
namespace {

using records::EndpointSlice;
using records::Kind;
using records::Pod;
using records::Service;

template <class T>
const T* as(const RecordPtr& record) {
  return record ? &std::get<T>(*record) : nullptr;
}

template <class Index, class Label>
void insert(Index& index, const Label& label, const std::string& name) {
  index[label].insert(name);
}
template <class Index, class Label>
void erase(Index& index, const Label& label, const std::string& name) {
  const auto found = index.find(label);
  if (found == index.end()) return;
  found->second.erase(name);
  if (found->second.empty()) index.erase(found);
}

// The label of `selector` that the fewest in `index` have. Requires one.
template <class Index>
auto rarest(const records::Labels& selector, const Index& index) {
  const auto users = [&](const auto& label) {
    const auto found = index.find(label);
    return found == index.end() ? 0 : found->second.size();
  };
  return *std::ranges::min_element(selector, {}, users);
}

// Does somebody select pods for it? (An ExternalName is an alias of a DNS name.)
bool has_pods(const Service* service) {
  return service != nullptr && !service->selector.empty() &&
         service->type != records::ServiceType::external_name;
}

}  // namespace

void DerivedSlices::apply(const RecordChange& change) {
  const auto& name = change.key.name;
  switch (change.key.kind) {
    case Kind::service:
      return apply_service(change);
    case Kind::pod:
      return apply_pod(change);
    case Kind::endpoints:
      spaces_[name.space].candidates[name.name].endpoints = change.after;
      return touch(name);
    case Kind::endpoint_slice:
      if (const auto* before = as<EndpointSlice>(change.before)) count_slice(*before, -1);
      if (const auto* after = as<EndpointSlice>(change.after)) count_slice(*after, +1);
      return;
    default:
      return;
  }
}

void DerivedSlices::count_slice(const EndpointSlice& slice, int difference) {
  if (slice.service.empty()) return;
  spaces_[slice.name.space].candidates[slice.service].own_slices += difference;
  touch({slice.name.space, slice.service});
}

void DerivedSlices::apply_service(const RecordChange& change) {
  const auto& name = change.key.name;
  auto& space = spaces_[name.space];
  auto& candidate = space.candidates[name.name];
  if (has_pods(as<Service>(change.before))) {
    erase(space.services_by_label, candidate.indexed_by, name.name);
  }
  candidate.service = change.after;
  if (const auto* service = as<Service>(change.after); has_pods(service)) {
    candidate.indexed_by = rarest(service->selector, space.services_by_label);
    insert(space.services_by_label, candidate.indexed_by, name.name);
  }
  touch(name);
}

void DerivedSlices::apply_pod(const RecordChange& change) {
  const auto& name = change.key.name;
  auto& space = spaces_[name.space];
  if (const auto* before = as<Pod>(change.before)) {
    for (const auto& label : before->labels) erase(space.pods_by_label, label, name.name);
    space.pods.erase(name.name);
    touch_services_of(space, *before);
  }
  if (const auto* after = as<Pod>(change.after)) {
    for (const auto& label : after->labels) insert(space.pods_by_label, label, name.name);
    space.pods.emplace(name.name, change.after);
    touch_services_of(space, *after);
  }
  if (space.is_empty()) spaces_.erase(name.space);
}

void DerivedSlices::touch_services_of(const Namespace& space, const Pod& pod) {
  for (const auto& label : pod.labels) {
    const auto found = space.services_by_label.find(label);
    if (found == space.services_by_label.end()) continue;
    for (const auto& name : found->second) {
      const auto* service = as<Service>(space.candidates.at(name).service);
      if (selects(service->selector, pod.labels)) touch(service->name);
    }
  }
}

std::vector<EndpointSlice> DerivedSlices::derive(const Namespace& space,
                                                 const Candidate& candidate) {
  if (candidate.own_slices > 0) return {};
  if (const auto* endpoints = as<records::Endpoints>(candidate.endpoints)) {
    return records::mirrored(*endpoints);
  }
  const auto* service = as<Service>(candidate.service);
  if (!has_pods(service)) return {};
  const auto found = space.pods_by_label.find(rarest(service->selector, space.pods_by_label));
  if (found == space.pods_by_label.end()) return {};
  std::vector<const Pod*> pods;
  for (const auto& name : found->second) {
    const auto* pod = as<Pod>(space.pods.at(name));
    if (selects(service->selector, pod->labels)) pods.push_back(pod);
  }
  return slices_of_pods(*service, pods);
}

std::vector<RecordChange> DerivedSlices::take_changes() {
  std::vector<RecordChange> changes;
  for (const auto& name : std::exchange(touched_, {})) {
    auto& space = spaces_.at(name.space);
    auto& candidate = space.candidates.at(name.name);
    auto last = std::exchange(candidate.derived, {});
    for (auto& slice : derive(space, candidate)) {
      const records::RecordKey key{Kind::endpoint_slice, slice.name};
      auto now = std::make_shared<const records::Record>(std::move(slice));
      auto node = last.extract(key.name.name);
      auto before = node.empty() ? nullptr : std::move(node.mapped());
      if (before && *before == *now) {
        now = std::move(before);
      } else {
        changes.push_back({key, std::move(before), now});
      }
      candidate.derived.emplace(key.name.name, std::move(now));
    }
    for (auto& [slice_name, gone] : last) {
      changes.push_back({{Kind::endpoint_slice, {name.space, slice_name}}, gone, nullptr});
    }
    if (candidate.is_nothing()) space.candidates.erase(name.name);
    if (space.is_empty()) spaces_.erase(name.space);
  }
  return changes;
}

}  // namespace proxy::sources::manifests
