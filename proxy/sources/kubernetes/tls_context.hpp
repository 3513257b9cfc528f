// TLS as an API server's client needs it: who is trusted, who we are, and whom we expect.
#pragma once

#include "proxy/result.hpp"
#include "proxy/sources/kubernetes/connection.hpp"

#include <boost/asio/ssl/context.hpp>

#include <optional>
#include <string>

namespace proxy::sources::kubernetes {

// TLS 1.2 and later. Fails for PEM that can't be read, and for a key that is not the certificate's.
[[nodiscard]] Result<boost::asio::ssl::context> make_tls_context(const TlsMaterial& material);

// The handshake is to reach `name` (a host name, or an address) and nobody else, unless `insecure`.
[[nodiscard]] Result<void> expect_server(SSL* session, const std::string& name, bool insecure);

// What TLS has to say about a failure with `code`: which check the server's certificate did not
// pass, or the alert that the server sent. nullopt if it was not TLS. `session` may be null.
[[nodiscard]] std::optional<std::string> tls_failure(SSL* session,
                                                     const boost::system::error_code& code);

}  // namespace proxy::sources::kubernetes
