// RFC 3339 date-times, as Kubernetes writes them ("2026-01-31T12:00:00.123456Z").
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace proxy::records {

// nullopt for what is none. Fractions of a second beyond the clock's resolution are dropped; a leap
// second (":60") is the second after it.
[[nodiscard]] std::optional<std::chrono::system_clock::time_point> parse_rfc3339(
    std::string_view text);

}  // namespace proxy::records
