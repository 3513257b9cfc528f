// What names in the API may look like, and how text that somebody else wrote is shown.
//
// Names end up in chain names, rule comments, DNS answers and log lines, so that none is taken over
// unchecked. Source: Kubernetes documentation, "Object Names and IDs".
#pragma once

#include <string>
#include <string_view>

namespace proxy::records {

// RFC 1123 label as Kubernetes has it: 1 to 63 of a-z, 0-9 and '-', not at either end.
[[nodiscard]] bool is_dns_label(std::string_view name);

// Labels as above without their limit, joined by dots; 1 to 253 characters in all.
[[nodiscard]] bool is_dns_subdomain(std::string_view name);

// `text` in double quotes for a message: printable(), cut after 64 bytes.
[[nodiscard]] std::string in_quotes(std::string_view text);

}  // namespace proxy::records
