#include "proxy/status/status_document.hpp"

#include "proxy/status/json.hpp"

#include <ranges>

namespace proxy::status {
namespace {

constexpr std::size_t kMostEntries = 100;

double seconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>{duration}.count();
}

std::int64_t milliseconds_since_1970(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

void write_count(JsonWriter& json, std::string_view name, std::size_t value) {
  json.key(name).number(static_cast<std::int64_t>(value));
}

void write_last_sync(JsonWriter& json, const std::optional<LastSync>& last) {
  json.key("lastSync");
  if (!last) return json.null();
  json.begin_object();
  json.key("at").text(rfc3339(last->at.wall));
  json.key("cause").text(last->cause);
  json.key("durationSeconds").number(seconds(last->duration));
  write_count(json, "transactions", last->transactions);
  write_count(json, "operations", last->operations);
  json.end_object();
}

void write_failure(JsonWriter& json, const std::optional<LastFailure>& failure) {
  json.key("failure");
  if (!failure) return json.null();
  json.begin_object();
  json.key("error").text(failure->error);
  json.key("at").text(rfc3339(failure->at.wall));
  json.key("inARow").number(std::int64_t{failure->in_a_row});
  json.key("retryInSeconds").number(seconds(failure->retry_in));
  json.end_object();
}

void write_history(JsonWriter& json, const std::deque<SyncRecord>& history) {
  json.key("history").begin_array();
  for (const auto& sync : history) {
    json.begin_object();
    json.key("at").number(milliseconds_since_1970(sync.at.wall));
    json.key("cause").text(sync.cause);
    json.key("durationSeconds").number(seconds(sync.duration));
    write_count(json, "operations", sync.operations);
    json.key("succeeded").boolean(sync.succeeded);
    json.end_object();
  }
  json.end_array();
}

// By name; those that have labels once for each.
void write_figures(JsonWriter& json, const std::vector<modes::Mode::Figure>& figures) {
  json.key("figures").begin_array();
  for (const auto& figure : figures) {
    if (figure.histogram) continue;
    json.begin_object();
    json.key("name").text(figure.name);
    json.key("labels").begin_object();
    for (const auto& [name, value] : figure.labels) json.key(name).text(value);
    json.end_object();
    json.key("value").number(figure.value);
    json.end_object();
  }
  json.end_array();
}

void write_set_aside(JsonWriter& json, const sync::SetAsideBook& book) {
  json.key("setAside").begin_array();
  for (const auto& [name, reason] : book.all() | std::views::take(kMostEntries)) {
    json.begin_object();
    json.key("servicePort").text(name.text());
    json.key("protocol").text(upper_name(name.protocol));
    json.key("family").text(to_string(name.family));
    json.key("reason").text(reason);
    json.end_object();
  }
  json.end_array();
}

void write_problems(JsonWriter& json, std::string_view name,
                    const std::vector<sources::Problem>& problems) {
  json.key(name).begin_array();
  for (const auto& problem : problems | std::views::take(kMostEntries)) {
    json.begin_object();
    json.key("where").text(problem.where);
    json.key("what").text(problem.what);
    json.end_object();
  }
  json.end_array();
}

}  // namespace

std::string status_document(const StatusParts& parts, Moment now) {
  const auto remarks = parts.table.remarks();
  JsonWriter json;
  json.begin_object();
  json.key("version").text(parts.version);
  json.key("mode").text(parts.mode);
  json.key("node").text(parts.node);
  json.key("uptimeSeconds").number(seconds(now.steady - parts.started.steady));
  json.key("synced").boolean(parts.health.is_synced());
  json.key("healthy").boolean(parts.health.is_healthy(now));
  json.key("nodeEligible").boolean(parts.health.node_eligible());
  json.key("listening").begin_object();
  for (const auto& [name, address] : parts.listening) json.key(name).text(address);
  json.end_object();

  json.key("counts").begin_object();
  write_count(json, "servicePorts", parts.table.size());
  write_count(json, "endpoints", parts.table.endpoint_count());
  write_count(json, "setAside", parts.reporter.set_aside().all().size());
  write_count(json, "problems", parts.problems.size());
  write_count(json, "remarks", remarks.size());
  write_count(json, "outsideChanges", parts.reporter.outside_changes());
  json.end_object();

  write_last_sync(json, parts.reporter.last_sync());
  write_failure(json, parts.reporter.failure());
  write_set_aside(json, parts.reporter.set_aside());
  write_problems(json, "problems", parts.problems);
  write_problems(json, "remarks", remarks);
  json.key("healthCheckFailures").begin_object();
  for (const auto& [service, why] : parts.health_check_failures) {
    json.key(service.text()).text(why);
  }
  json.end_object();
  json.key("now").number(milliseconds_since_1970(now.wall));
  write_history(json, parts.reporter.history());
  write_figures(json, parts.figures);
  write_services(json, parts.table, parts.reporter.set_aside(), parts.services, parts.traffic);
  json.end_object();
  return json.take();
}

}  // namespace proxy::status
