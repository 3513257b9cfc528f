// The status page for browsers: one HTML document, which asks for /status.json again and again and
// loads nothing else.
//
// Whatever records bring in reaches the page as JSON and is shown as text nodes, never as markup.
// Should that fail some day, the Content-Security-Policy still lets no script run but the page's
// own (by its hash), and lets it talk to nobody but this server.
#pragma once

#include "proxy/status/http_server.hpp"

#include <string>
#include <string_view>

namespace proxy::status {

// status.html as it was built in.
extern const std::string_view kStatusHtml;

[[nodiscard]] HttpReply status_page();

// For a document with one <style> and one <script> element, without attributes.
[[nodiscard]] std::string content_security_policy(std::string_view html);

}  // namespace proxy::status
