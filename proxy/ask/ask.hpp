// What people ask a running daemon, over its admin socket: `viaduct status`, `explain`, `env`, `dns
// query`.
#pragma once

#include "proxy/result.hpp"

#include <filesystem>
#include <string>
#include <string_view>

namespace proxy::ask {

enum class Form : std::uint8_t { table, json, dotenv };
[[nodiscard]] Result<Form> parse_form(std::string_view text);  // by their names here

// A question as the admin socket takes it.
// `filter` and `limit` as ServiceQuery has them, as text; empty: all, and its default.
[[nodiscard]] std::string status_request(std::string_view filter, std::string_view limit);
[[nodiscard]] std::string explain_request(std::string_view packet, std::string_view from);
[[nodiscard]] std::string env_request(std::string_view name_space);
[[nodiscard]] std::string dns_request(std::string_view name, std::string_view type);

// The daemon's reply to a request in the form that was asked for, with a newline at its end. Fails
// when no daemon is there, or with what it says is wrong.
[[nodiscard]] Result<std::string> ask(const std::filesystem::path& admin_socket,
                                      const std::string& request, Form form);

// A reply as people read it, or as shells and dotenv files do (only env has that form); what is not
// of the expected form is left out. Fails when it is no JSON object or says that there was an
// error.
[[nodiscard]] Result<std::string> reply_text(std::string_view reply, Form form = Form::table);

}  // namespace proxy::ask
