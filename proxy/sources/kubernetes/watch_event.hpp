// What the API server says besides objects: watch events, bookmarks, errors, a list's metadata.
//
// Pure.
#pragma once

#include "proxy/records/json_parser.hpp"
#include "proxy/result.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace proxy::sources::kubernetes {

enum class EventType : std::uint8_t { added, modified, deleted, bookmark, error, unknown };

struct WatchEvent {
  EventType type = EventType::unknown;
  std::string_view object;  // its JSON, a view into the event's text
};

// Cuts `{"type":…,"object":…}`. Fails for what has not this shape.
[[nodiscard]] Result<WatchEvent> cut_event(std::string_view text);

struct Bookmark {
  std::string version;              // metadata.resourceVersion
  bool initial_events_end = false;  // annotation k8s.io/initial-events-end
};
[[nodiscard]] Result<Bookmark> read_bookmark(records::json::Parser& parser,
                                             std::string_view object);

// metav1.Status, as the body of an error and as the object of an ERROR event.
struct Status {
  unsigned code = 0;
  std::string reason;                               // "Expired"
  std::string message;                              // for people
  std::optional<std::chrono::seconds> retry_after;  // details.retryAfterSeconds
};
// What can be made out; a text that is no Status (a proxy's error page) gives an empty one.
[[nodiscard]] Status read_status(records::json::Parser& parser, std::string_view object);

// metav1.ListMeta
struct ListMetadata {
  std::string version;
  std::string go_on;  // continue token; empty: this was the last page
};
[[nodiscard]] Result<ListMetadata> read_list_metadata(records::json::Parser& parser,
                                                      std::string_view object);

// metadata.resourceVersion of any object; empty if it has none.
[[nodiscard]] std::string read_version(records::json::Parser& parser, std::string_view object);

}  // namespace proxy::sources::kubernetes
