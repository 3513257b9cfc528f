// The services that are forwarded as status shows them: a page of rows that a filter chooses.
#pragma once

#include "modes/traffic.hpp"
#include "proxy/state/service_table.hpp"
#include "proxy/status/json.hpp"
#include "proxy/sync/set_aside.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxy::status {

// How a service port fares, from best to worst.
enum class Fare : std::uint8_t {
  up,       // all its traffic has endpoints
  partial,  // policy Local, and no endpoint on this node: that traffic is dropped
  down,     // no endpoint anywhere: rejected
  refused,  // set aside: the kernel did not take its rules
};
[[nodiscard]] std::string_view to_string(Fare fare);

// What to show: everything, if nothing is set.
struct ServiceQuery {
  static constexpr std::size_t kMostRows = 1000;

  // Part of "namespace/name:port", upper and lower case alike; or an IP address: that of a VIP or
  // an endpoint.
  std::string filter = {};
  std::optional<Fare> fare = {};
  std::size_t offset = 0;
  std::size_t limit = 100;
};

// Of a URL: "filter=shop%2F&state=down&offset=100&limit=50". What is not understood is left out;
// `limit` is kMostRows at most.
[[nodiscard]] ServiceQuery service_query_of_url(std::string_view query);
// Of a request to the admin socket: {"command":"status","filter":"shop/","limit":50}. The same.
[[nodiscard]] ServiceQuery service_query_of_request(std::string_view json);

[[nodiscard]] Fare fare_of(const state::ServicePortName& name, const state::ServicePort& port,
                           const sync::SetAsideBook& set_aside);

// The service ports of the page that was asked for.
[[nodiscard]] std::vector<state::ServicePortName> page_of_services(
    const state::ServiceTable& table, const sync::SetAsideBook& set_aside,
    const ServiceQuery& query);

// What has gone through them, as far as it was read.
using TrafficOf = std::map<state::ServicePortName, std::shared_ptr<const modes::Traffic>>;

// The member "services": how many match, by fare, and the rows of the page that was asked for. A
// row's "traffic", and an endpoint's, has the figures that are known and no others.
void write_services(JsonWriter& json, const state::ServiceTable& table,
                    const sync::SetAsideBook& set_aside, const ServiceQuery& query,
                    const TrafficOf& traffic);

}  // namespace proxy::status
