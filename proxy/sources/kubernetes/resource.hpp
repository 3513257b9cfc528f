// The kinds that are followed, and the requests that list and watch them ("Kubernetes API
// Concepts").
//
// Pure.
#pragma once

#include "proxy/records/decode.hpp"
#include "proxy/records/objects.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace proxy::sources::kubernetes {

struct Resource {
  records::Kind kind = records::Kind::service;
  std::string_view api_version;  // "v1", "discovery.k8s.io/v1"
  std::string_view kind_name;    // "Service"
  std::string_view plural;       // "services"

  [[nodiscard]] std::string path() const;   // "/api/v1/services", without the server's own path
  [[nodiscard]] std::string title() const;  // "services", "endpointslices.discovery.k8s.io"
  [[nodiscard]] records::TypeHint type() const { return {api_version, kind_name}; }
};

[[nodiscard]] const Resource& resource_of(records::Kind kind);

// Which objects of a resource.
struct Selection {
  records::Kind kind = records::Kind::service;
  std::string label_selector;
  std::string field_selector;

  friend bool operator==(const Selection&, const Selection&) = default;
};

// What a node is interested in.
struct Interests {
  std::string node_name;
  bool endpoints = false;  // Endpoints, the older kind, instead of EndpointSlices
  bool dns = false;        // headless services and namespaces too
  bool pods = false;       // for names of pods that have to exist
};
// In the order in which they are worth having.
[[nodiscard]] std::vector<Selection> selections_for(const Interests& interests);

// One page of a list. Without a version it is the newest there is, read with a quorum; with one, it
// is at least as new, which a server can answer from memory.
struct PageRequest {
  std::size_t limit = 0;  // 0: all of it
  std::string go_on = {};      // continue token of the page before
  std::string not_older = {};  // resourceVersion; not with go_on
};
[[nodiscard]] std::string list_target(const Selection& selection, const PageRequest& page);

// Changes after `version`, with bookmarks, ended by the server after `longest`.
[[nodiscard]] std::string watch_target(const Selection& selection, std::string_view version,
                                       std::chrono::seconds longest);

// A watch that begins with all there is, at least as new as `not_older` (empty: the newest), and
// says with a bookmark when that was all (KEP-3157).
[[nodiscard]] std::string streaming_list_target(const Selection& selection,
                                                std::string_view not_older,
                                                std::chrono::seconds longest);

}  // namespace proxy::sources::kubernetes
