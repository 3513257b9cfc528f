#include "proxy/status/page/status_page.hpp"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <array>

namespace proxy::status {
namespace {

std::string_view content_of(std::string_view html, std::string_view element) {
  const auto opening = "<" + std::string{element} + ">";
  const auto closing = "</" + std::string{element} + ">";
  const auto begin = html.find(opening) + opening.size();
  return html.substr(begin, html.find(closing, begin) - begin);
}

// As a Content-Security-Policy names it (CSP level 3, 2.3.1).
std::string source_hash(std::string_view content) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(content.data()), content.size(), digest.data());
  std::array<unsigned char, 4 * ((SHA256_DIGEST_LENGTH + 2) / 3) + 1> text{};
  const int size = EVP_EncodeBlock(text.data(), digest.data(), SHA256_DIGEST_LENGTH);
  return "'sha256-" + std::string{text.begin(), text.begin() + size} + "'";
}

}  // namespace

std::string content_security_policy(std::string_view html) {
  return "default-src 'none'; connect-src 'self'; img-src data:; style-src " +
         source_hash(content_of(html, "style")) + "; script-src " +
         source_hash(content_of(html, "script")) +
         "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
         "require-trusted-types-for 'script'";
}

HttpReply status_page() {
  return {.content_type = "text/html; charset=utf-8",
          .body = std::string{kStatusHtml},
          .headers = {{"Content-Security-Policy", content_security_policy(kStatusHtml)},
                      {"Cache-Control", "no-cache"},
                      {"Referrer-Policy", "no-referrer"},
                      {"X-Content-Type-Options", "nosniff"}}};
}

}  // namespace proxy::status
