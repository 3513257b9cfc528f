// What people ask a running daemon, over its admin socket: `viaduct status`, `viaduct explain`.
#pragma once

#include "proxy/result.hpp"

#include <filesystem>
#include <string>
#include <string_view>

namespace proxy::ask {

enum class Form : std::uint8_t { table, json };
[[nodiscard]] Result<Form> parse_form(std::string_view text);  // "table", "json"

// A question as the admin socket takes it.
[[nodiscard]] std::string status_request();
[[nodiscard]] std::string explain_request(std::string_view packet, std::string_view from);

// The daemon's reply to a request in the form that was asked for, with a newline at its end. Fails
// when no daemon is there, or with what it says is wrong.
[[nodiscard]] Result<std::string> ask(const std::filesystem::path& admin_socket,
                                      const std::string& request, Form form);

// A reply as people read it; what is not of the expected form is left out. Fails when it is no JSON
// object or says that there was an error.
[[nodiscard]] Result<std::string> reply_text(std::string_view reply);

}  // namespace proxy::ask
