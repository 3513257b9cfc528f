#include "proxy/sources/kubernetes/watch_event.hpp"

#include "proxy/records/fields.hpp"
#include "proxy/records/json_text.hpp"

namespace proxy::sources::kubernetes {
namespace {

using records::json::Fields;
using records::json::Parser;
using records::json::Reading;

EventType type_named(std::string_view name) {
  if (name == R"("ADDED")") return EventType::added;
  if (name == R"("MODIFIED")") return EventType::modified;
  if (name == R"("DELETED")") return EventType::deleted;
  if (name == R"("BOOKMARK")") return EventType::bookmark;
  if (name == R"("ERROR")") return EventType::error;
  return EventType::unknown;
}

}  // namespace

Result<WatchEvent> cut_event(std::string_view text) {
  const auto members = records::json::members(text);
  if (!members) return members.error();
  WatchEvent event;
  bool typed = false;
  for (const auto& [key, value] : *members) {
    if (key == "type") {
      event.type = type_named(value);
      typed = true;
    }
    if (key == "object") event.object = value;
  }
  if (!typed) return invalid("a watch event without type");
  if (event.object.empty()) return invalid("a watch event without object");
  return event;
}

Result<Bookmark> read_bookmark(Parser& parser, std::string_view object) {
  const auto parsed = parser.parse(object);
  if (!parsed) return parsed.error();
  Reading reading;
  const Fields root{*parsed, {}, reading};
  const auto metadata = root.object("metadata");
  const auto annotations = metadata.object("annotations");
  Bookmark bookmark{.version = std::string{metadata.text("resourceVersion")},
                    .initial_events_end = annotations.text("k8s.io/initial-events-end") == "true"};
  if (reading.failed()) return invalid("bookmark: " + reading.failure());
  if (bookmark.version.empty()) return invalid("bookmark: metadata.resourceVersion is missing");
  return bookmark;
}

Status read_status(Parser& parser, std::string_view object) {
  Status status;
  const auto parsed = parser.parse(object);
  if (!parsed) return status;
  Reading reading;
  const Fields root{*parsed, {}, reading};
  status.reason = root.text("reason");
  status.message = root.text("message");
  if (const auto code = root["code"]) {
    status.code = static_cast<unsigned>(code->integer(0, 999, "an HTTP status"));
  }
  const auto details = root.object("details");
  if (const auto seconds = details["retryAfterSeconds"]) {
    constexpr std::int64_t kDay = 86400;
    status.retry_after = std::chrono::seconds{seconds->integer(0, kDay, "a number of seconds")};
  }
  if (reading.failed()) return {};
  return status;
}

Result<ListMetadata> read_list_metadata(Parser& parser, std::string_view object) {
  const auto parsed = parser.parse(object);
  if (!parsed) return parsed.error();
  Reading reading;
  const Fields root{*parsed, {}, reading};
  ListMetadata metadata{.version = std::string{root.text("resourceVersion")},
                        .go_on = std::string{root.text("continue")}};
  if (reading.failed()) return invalid("metadata: " + reading.failure());
  if (metadata.version.empty()) return invalid("metadata.resourceVersion is missing");
  return metadata;
}

std::string read_version(Parser& parser, std::string_view object) {
  const auto parsed = parser.parse(object);
  if (!parsed) return {};
  Reading reading;
  const Fields root{*parsed, {}, reading};
  const auto metadata = root.object("metadata");
  std::string version{metadata.text("resourceVersion")};
  return reading.failed() ? std::string{} : version;
}

}  // namespace proxy::sources::kubernetes
