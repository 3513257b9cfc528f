#include "proxy/status/health.hpp"

#include "proxy/status/json.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>

namespace proxy::status {

void Health::queued(Family family, Moment at) {
  queued_.try_emplace(family, at.steady);
}

void Health::began(Family family) {
  const auto oldest = queued_.find(family);
  if (oldest == queued_.end()) return;
  writing_.try_emplace(family, oldest->second);
  queued_.erase(oldest);
}

void Health::updated(Family family, Moment at) {
  writing_.erase(family);
  updated_[family] = at.wall;
}

void Health::node_seen(const records::Node& node) {
  // Key of the taint: kubernetes/autoscaler, utils/taints.
  const bool tainted =
      std::ranges::find(node.taints, "ToBeDeletedByClusterAutoscaler") != node.taints.end();
  node_eligible_ = !node.being_deleted && !tainted;
}

bool Health::is_healthy(Family family, Moment now) const {
  if (!updated_.contains(family)) return true;  // starting
  for (const auto* waiting : {&queued_, &writing_}) {
    const auto oldest = waiting->find(family);
    if (oldest != waiting->end() && now.steady - oldest->second >= timeout_) return false;
  }
  return true;
}

bool Health::is_healthy(Moment now) const {
  return std::ranges::all_of(kFamilies, [&](Family family) { return is_healthy(family, now); });
}

HealthReply Health::healthz(Moment now) const {
  const bool good = is_healthy(now) && is_synced() && node_eligible();
  return {good, body(good, now, Eligibility::shown)};
}

HealthReply Health::livez(Moment now) const {
  const bool good = is_healthy(now);
  return {good, body(good, now, Eligibility::left_out)};
}

std::string Health::body(bool good, Moment now, Eligibility eligibility) const {
  std::string last_updated = "0001-01-01T00:00:00Z";  // Go's zero time: never
  if (good) {
    last_updated = rfc3339(now.wall);  // some read it as the age of the health itself
  } else if (!updated_.empty()) {
    last_updated = rfc3339(std::ranges::max_element(updated_, {}, [](const auto& entry) {
                             return entry.second;
                           })->second);
  }
  JsonWriter json;
  json.begin_object();
  json.key("lastUpdated").text(last_updated);
  json.key("currentTime").text(rfc3339(now.wall));
  json.key("healthy").boolean(is_healthy(now));
  if (eligibility == Eligibility::shown) json.key("nodeEligible").boolean(node_eligible());
  if (as_of_) json.key("recordsAsOf").text(rfc3339(*as_of_));
  json.key("status").begin_object();
  for (const auto& [family, time] : updated_) {
    json.key(to_string(family)).begin_object();
    json.key("lastUpdated").text(rfc3339(time));
    json.key("healthy").boolean(is_healthy(family, now));
    json.end_object();
  }
  json.end_object();
  json.end_object();
  return json.take();
}

std::string rfc3339(std::chrono::system_clock::time_point time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(time - seconds).count();
  auto text = fmt::format("{:%Y-%m-%dT%H:%M:%S}",
                          fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)));
  if (rest != 0) {
    text += fmt::format(".{:09}", rest);
    text.erase(text.find_last_not_of('0') + 1);
  }
  return text + "Z";
}

}  // namespace proxy::status
