// What a node would forward, as a table for people: what `viaduct check` prints.
#pragma once

#include "proxy/state/service_table.hpp"

#include <string>

namespace proxy {

// A line per VIP: whose it is, how it is reached, its policy and where its traffic goes. Text from
// records is made printable. Empty if nothing is forwarded.
[[nodiscard]] std::string forwarding_table(const state::ServiceTable& table);

}  // namespace proxy
