// What the daemon is doing, as JSON: the reply to the admin command "status", and what the status
// page shows.
#pragma once

#include "proxy/status/health.hpp"
#include "proxy/status/reporter.hpp"
#include "proxy/status/service_list.hpp"

#include <map>
#include <string>
#include <vector>

namespace proxy::status {

struct StatusParts {
  std::string version;
  std::string mode;
  std::string node;
  Moment started;
  std::map<std::string, std::string> listening;  // "healthz" → "0.0.0.0:10256"
  const state::ServiceTable& table;
  const Health& health;
  const Reporter& reporter;
  const std::vector<sources::Problem>& problems;
  std::map<records::ObjectName, std::string> health_check_failures;
  ServiceQuery services = {};                     // which of them to show
  TrafficOf traffic = {};                         // of these
  std::vector<modes::Mode::Figure> figures = {};  // of the mode
};

// Lists are cut to their first 100 entries; their full lengths are in "counts".
[[nodiscard]] std::string status_document(const StatusParts& parts, Moment now);

}  // namespace proxy::status
