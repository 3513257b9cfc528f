#include "proxy/sources/manifests/derived_slices.hpp"

#include "proxy/records/mirror.hpp"

#include <utility>

namespace proxy::sources::manifests {
namespace {

using records::EndpointSlice;
using records::Kind;
using records::ObjectName;
using records::Pod;
using records::Record;

// Null for a record that is gone.
template <class T>
const T* as(const Record* record) {
  return record != nullptr ? &std::get<T>(*record) : nullptr;
}

}  // namespace

void DerivedSlices::apply(const RecordChange& change) {
  const auto& name = change.key.name;
  switch (change.key.kind) {
    case Kind::service:
      return apply_service(name, change.after.get());
    case Kind::endpoint_slice:
      return apply_slice(name, change.after.get());
    case Kind::endpoints:
      return apply_endpoints(name, change.after.get());
    case Kind::pod:
      return apply_pod(name, change.after.get());
    default:
      return;
  }
}

void DerivedSlices::apply_service(const ObjectName& name, const Record* after) {
  auto& space = spaces_[name.space];
  auto& candidate = space.candidates[name.name];
  // It was found by one of them; which one was the rarest then, nobody knows any more.
  if (candidate.service) {
    for (const auto& label : candidate.service->selector) {
      space.services_by_label.erase(label, name.name);
    }
  }
  const auto* service = as<records::Service>(after);
  candidate.service = service != nullptr ? selecting(*service) : std::nullopt;
  if (candidate.service) {
    const auto& index = space.services_by_label;
    space.services_by_label.insert(index.rarest(candidate.service->selector), name.name);
  }
  touch(name);
}

void DerivedSlices::apply_slice(const ObjectName& name, const Record* after) {
  auto& space = spaces_[name.space];
  if (const auto before = space.service_of_slice.extract(name.name)) {
    --space.candidates.at(before.mapped()).own_slices;
    touch({name.space, before.mapped()});
  }
  const auto* slice = as<EndpointSlice>(after);
  if (slice != nullptr && !slice->service.empty()) {
    space.service_of_slice.emplace(name.name, slice->service);
    ++space.candidates[slice->service].own_slices;
    touch({name.space, slice->service});
  }
  if (space.is_empty()) spaces_.erase(name.space);
}

void DerivedSlices::apply_endpoints(const ObjectName& name, const Record* after) {
  auto& candidate = spaces_[name.space].candidates[name.name];
  candidate.endpoints.reset();
  if (const auto* endpoints = as<records::Endpoints>(after)) candidate.endpoints = *endpoints;
  touch(name);
}

void DerivedSlices::apply_pod(const ObjectName& name, const Record* after) {
  auto& space = spaces_[name.space];
  if (const auto before = space.pods.extract(name.name)) {
    for (const auto& label : before.mapped().labels) space.pods_by_label.erase(label, name.name);
    touch_services_of(space, before.mapped());
  }
  if (const auto* pod = as<Pod>(after)) {
    for (const auto& label : pod->labels) space.pods_by_label.insert(label, name.name);
    space.pods.emplace(name.name, *pod);
    touch_services_of(space, *pod);
  }
  if (space.is_empty()) spaces_.erase(name.space);
}

void DerivedSlices::touch_services_of(const Namespace& space, const Pod& pod) {
  for (const auto& label : pod.labels) {
    space.services_by_label.for_each(label, [&](const std::string& name) {
      const auto& service = *space.candidates.at(name).service;
      if (selects(service.selector, pod.labels)) touch(service.name);
    });
  }
}

std::vector<EndpointSlice> DerivedSlices::derive(const Namespace& space,
                                                 const Candidate& candidate) {
  if (candidate.own_slices > 0) return {};
  if (candidate.endpoints) return records::mirrored(*candidate.endpoints);
  if (!candidate.service) return {};
  std::vector<const Pod*> pods;
  const auto& selector = candidate.service->selector;
  space.pods_by_label.for_each(space.pods_by_label.rarest(selector), [&](const std::string& name) {
    const auto& pod = space.pods.at(name);
    if (selects(selector, pod.labels)) pods.push_back(&pod);
  });
  return slices_of_pods(*candidate.service, pods);
}

std::vector<RecordChange> DerivedSlices::take_changes() {
  std::vector<RecordChange> changes;
  const auto change = [&](const ObjectName& name, std::unique_ptr<Record> after) {
    changes.push_back({{Kind::endpoint_slice, name}, std::move(after)});
  };
  for (const auto& name : std::exchange(touched_, {})) {
    auto& space = spaces_.at(name.space);
    auto& candidate = space.candidates.at(name.name);
    auto last = std::exchange(candidate.derived, {});
    for (auto& slice : derive(space, candidate)) {
      const auto before = last.extract(slice.name.name);
      if (!before || before.mapped() != slice) change(slice.name, std::make_unique<Record>(slice));
      const auto slice_name = slice.name.name;
      candidate.derived.emplace(slice_name, std::move(slice));
    }
    for (const auto& [slice_name, gone] : last) change(gone.name, nullptr);
    if (candidate.is_nothing()) space.candidates.erase(name.name);
    if (space.is_empty()) spaces_.erase(name.space);
  }
  return changes;
}

}  // namespace proxy::sources::manifests
