// Base64 (RFC 4648 §4), as kubeconfig files hold certificates and HTTP holds passwords.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace proxy::sources::kubernetes {

// nullopt for what is none. Line breaks and blanks are skipped.
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);

[[nodiscard]] std::string to_base64(std::string_view bytes);

}  // namespace proxy::sources::kubernetes
