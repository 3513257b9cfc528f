#include "proxy/sources/kubernetes/credentials.hpp"

#include "proxy/sources/kubernetes/base64.hpp"
#include "proxy/sources/kubernetes/whole_file.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace proxy::sources::kubernetes {
namespace {

namespace asio = boost::asio;

// Renewed a little early, so that it does not expire on the way.
constexpr std::chrono::seconds kEarly{10};

Result<std::string> text_of(const Material& material) {
  if (!material.data.empty() || material.file.empty()) return material.data;
  return whole_file(material.file);
}

// Nothing that could begin another header.
bool fits_in_header(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c != 0x7f; });
}

std::string without_blanks(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
    text.pop_back();
  }
  const auto first = text.find_first_not_of(" \t\r\n");
  return first == std::string::npos ? std::string{} : text.substr(first);
}

}  // namespace

Credentials::Credentials(asio::any_io_executor executor, Access access, Duration plugin_patience)
    : access_{std::move(access)},
      plugin_patience_{plugin_patience},
      plugin_done_{executor, asio::steady_timer::time_point::max()} {}

void Credentials::stop() {
  stopped_ = true;
  plugin_done_.cancel();
}

bool Credentials::plugin_credential_is_good() const {
  if (!plugin_credential_) return false;
  return !plugin_credential_->expires ||
         std::chrono::system_clock::now() + kEarly < *plugin_credential_->expires;
}

asio::awaitable<Result<void>> Credentials::renew_plugin_credential(std::string ca) {
  while (!plugin_credential_is_good() && !stopped_) {
    if (plugin_runs_) {
      co_await plugin_done_.async_wait(asio::as_tuple(asio::use_awaitable));
      continue;
    }
    plugin_runs_ = true;
    auto credential = co_await run_exec_plugin(access_, ca, plugin_patience_);
    plugin_runs_ = false;
    plugin_done_.cancel();
    if (!credential) co_return credential.error();
    plugin_credential_ = *std::move(credential);
    break;  // good or expired already: the server will say
  }
  if (stopped_) co_return system_error(ECANCELED, "exec plugin");
  co_return Result<void>{};
}

asio::awaitable<Result<Presented>> Credentials::current() {
  Presented presented;
  auto ca = text_of(access_.ca);
  if (!ca) co_return within("certificate authority", ca.error());
  auto certificate = text_of(access_.client_certificate);
  if (!certificate) co_return within("client certificate", certificate.error());
  auto key = text_of(access_.client_key);
  if (!key) co_return within("client key", key.error());
  auto token = text_of(access_.token);
  if (!token) co_return within("token", token.error());
  if (access_.exec) {
    if (const auto renewed = co_await renew_plugin_credential(*ca); !renewed) {
      co_return renewed.error();
    }
    token = plugin_credential_->token;
    if (!plugin_credential_->certificate.empty()) {
      certificate = plugin_credential_->certificate;
      key = plugin_credential_->key;
    }
  }
  presented.tls = {.ca = *std::move(ca),
                   .certificate = *std::move(certificate),
                   .key = *std::move(key),
                   .server_name = access_.tls_server_name,
                   .insecure = access_.insecure};
  if (const auto bearer = without_blanks(*token); !bearer.empty()) {
    presented.headers.emplace_back("Authorization", "Bearer " + bearer);
  } else if (!access_.username.empty()) {
    presented.headers.emplace_back("Authorization",
                                   "Basic " + to_base64(access_.username + ":" + access_.password));
  }
  for (const auto& header : access_.impersonation) presented.headers.push_back(header);
  for (const auto& [name, value] : presented.headers) {
    if (!fits_in_header(value)) co_return invalid(name + ": has signs that no header may have");
  }
  co_return presented;
}

}  // namespace proxy::sources::kubernetes
