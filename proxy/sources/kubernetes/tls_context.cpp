#include "proxy/sources/kubernetes/tls_context.hpp"

#include "proxy/ip_address.hpp"

#include <boost/asio/ssl/error.hpp>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace proxy::sources::kubernetes {
namespace {

namespace ssl = boost::asio::ssl;
using boost::asio::buffer;
using boost::system::error_code;

Error openssl_error(std::string_view what) {
  const auto code = ERR_get_error();
  ERR_clear_error();
  const auto* reason = ERR_reason_error_string(code);
  return invalid(std::string{what} + (reason != nullptr ? ": " + std::string{reason} : ""));
}

}  // namespace

Result<ssl::context> make_tls_context(const TlsMaterial& material) {
  ssl::context context{ssl::context::tls_client};
  auto* native = context.native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  // Sessions are few and long; a 16 kB buffer each can go while it is not in use.
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);

  error_code failed;
  if (material.insecure) {
    context.set_verify_mode(ssl::verify_none, failed);
  } else {
    context.set_verify_mode(ssl::verify_peer, failed);
    if (material.ca.empty()) {
      context.set_default_verify_paths(failed);
    } else {
      context.add_certificate_authority(buffer(material.ca), failed);
    }
    if (failed) return openssl_error("certificate authority: no certificates in PEM");
  }
  if (material.certificate.empty()) return context;
  context.use_certificate_chain(buffer(material.certificate), failed);
  if (failed) return openssl_error("client certificate: not PEM");
  context.use_private_key(buffer(material.key), ssl::context::pem, failed);
  if (failed) return openssl_error("client key");
  if (SSL_CTX_check_private_key(native) != 1) return openssl_error("client key");
  return context;
}

Result<void> expect_server(SSL* session, const std::string& name, bool insecure) {
  const auto ip = parse_ip(name);
  // RFC 6066 §3: an address is never sent as a server name.
  if (!ip && SSL_set_tlsext_host_name(session, name.c_str()) != 1) {
    return openssl_error("server name " + name);
  }
  if (insecure) return {};
  auto* expected = SSL_get0_param(session);
  const int good = ip ? X509_VERIFY_PARAM_set1_ip(
                            expected, reinterpret_cast<const unsigned char*>(ip->bytes().data()),
                            ip->bytes().size())
                      : X509_VERIFY_PARAM_set1_host(expected, name.c_str(), name.size());
  if (good != 1) return openssl_error("server name " + name);
  return {};
}

std::optional<std::string> tls_failure(SSL* session, const error_code& code) {
  if (code.category() != boost::asio::error::get_ssl_category()) return std::nullopt;
  if (session != nullptr) {
    const auto verdict = SSL_get_verify_result(session);
    if (verdict != X509_V_OK) {
      return std::string{"the server's certificate: "} + X509_verify_cert_error_string(verdict);
    }
  }
  return code.message();
}

}  // namespace proxy::sources::kubernetes
