// What an endpoint answers: who it is, and whom it saw. Travels as one line of text.
#pragma once

#include "tests/netns/socket_address.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace netns {

struct Report {
  std::string party;  // whose namespace: "pod 10.180.0.1", "upstream"
  SocketAddress at;   // the address the packet arrived at
  SocketAddress saw;  // its source, as it arrived

  friend bool operator==(const Report&, const Report&) = default;
};

[[nodiscard]] std::string encode(const Report& report);                    // ends with a newline
[[nodiscard]] std::optional<Report> decode_report(std::string_view text);  // nullopt: not a report

}  // namespace netns
