#include "proxy/sources/kubernetes/proxy_handshake.hpp"

#include "proxy/sources/kubernetes/base64.hpp"

#include <utility>

namespace proxy::sources::kubernetes {
namespace {

constexpr std::size_t kLongestHead = 16384;

// RFC 1928
constexpr char kSocks = 5;
constexpr char kNoPassword = 0;
constexpr char kPassword = 2;
constexpr char kConnect = 1;
constexpr char kAddressV4 = 1, kAddressName = 3, kAddressV6 = 4;

std::string length_and(std::string_view text) {
  const auto cut = text.substr(0, 255);
  return static_cast<char>(cut.size()) + std::string{cut};
}

}  // namespace

ProxyHandshake::ProxyHandshake(const Url& proxy, const Url& server)
    : proxy_{proxy}, server_{server} {
  proxy_.scheme == Scheme::socks5 ? begin_socks() : begin_http();
}

std::string ProxyHandshake::take_output() {
  return std::exchange(output_, {});
}

Result<void> ProxyHandshake::feed(char byte) {
  input_ += byte;
  return step_ == Step::http ? feed_http() : feed_socks();
}

// ── HTTP ────────────────────────────────────────────────────────────────────────────────────────

void ProxyHandshake::begin_http() {
  const auto authority = server_.authority();
  output_ = "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n";
  if (!proxy_.userinfo.empty()) {
    output_ += "Proxy-Authorization: Basic " + to_base64(proxy_.userinfo) + "\r\n";
  }
  output_ += "\r\n";
}

Result<void> ProxyHandshake::feed_http() {
  if (input_.size() > kLongestHead) return invalid("an answer without end");
  if (!input_.ends_with("\r\n\r\n")) return {};
  const auto line = input_.substr(0, input_.find("\r\n"));
  // "HTTP/1.1 200 OK"
  if (!line.starts_with("HTTP/1.") || line.size() < 12) return invalid("no HTTP proxy");
  if (line[9] != '2') return invalid("the proxy answers " + line.substr(9));
  step_ = Step::done;
  return {};
}

// ── SOCKS ───────────────────────────────────────────────────────────────────────────────────────

void ProxyHandshake::begin_socks() {
  step_ = Step::socks_method;
  const bool has_password = !proxy_.userinfo.empty();
  output_ = {kSocks, static_cast<char>(has_password ? 2 : 1), kNoPassword};
  if (has_password) output_ += kPassword;
}

void ProxyHandshake::ask_socks() {
  step_ = Step::socks_reply;
  output_ = {kSocks, kConnect, 0};
  if (const auto ip = server_.ip()) {
    const auto bytes = ip->bytes();
    output_ += ip->family() == Family::v4 ? kAddressV4 : kAddressV6;
    output_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  } else {
    output_ += kAddressName + length_and(server_.host);
  }
  output_ += {static_cast<char>(server_.port.value >> 8), static_cast<char>(server_.port.value)};
}

Result<void> ProxyHandshake::feed_socks() {
  if (step_ == Step::socks_reply) {
    // version, reply, reserved, address type, address, port
    if (input_[0] != kSocks) return invalid("no SOCKS 5 proxy");
    if (input_.size() >= 2 && input_[1] != 0) {
      return invalid("the proxy cannot reach the server, SOCKS reply " +
                     std::to_string(static_cast<int>(input_[1])));
    }
    if (input_.size() < 5) return {};
    const std::size_t address = input_[3] == kAddressV4 ? 4
                                : input_[3] == kAddressV6
                                    ? 16
                                    : 1U + static_cast<unsigned char>(input_[4]);
    if (input_.size() == 4 + address + 2) step_ = Step::done;
    return {};
  }
  if (input_.size() < 2) return {};
  const auto answer = std::exchange(input_, {});
  if (step_ == Step::socks_password) {
    if (answer[1] != 0) return invalid("the proxy refuses the password");
    ask_socks();
    return {};
  }
  if (answer[0] != kSocks) return invalid("no SOCKS 5 proxy");
  if (answer[1] == kNoPassword) {
    ask_socks();
    return {};
  }
  if (answer[1] != kPassword || proxy_.userinfo.empty()) {
    return invalid("the proxy wants another kind of password");
  }
  const auto colon = proxy_.userinfo.find(':');
  const auto password =
      colon == std::string::npos ? std::string{} : proxy_.userinfo.substr(colon + 1);
  step_ = Step::socks_password;
  output_ = '\1' + length_and(proxy_.userinfo.substr(0, colon)) + length_and(password);
  return {};
}

}  // namespace proxy::sources::kubernetes
