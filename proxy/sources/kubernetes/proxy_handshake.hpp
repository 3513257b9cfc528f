// What is said to a proxy before it passes bytes on: HTTP's CONNECT (RFC 9110 §9.3.6), or SOCKS 5
// (RFC 1928) with a password (RFC 1929) or without.
//
// Pure: bytes in, bytes out.
#pragma once

#include "proxy/sources/kubernetes/url.hpp"

#include <cstdint>
#include <string>

namespace proxy::sources::kubernetes {

class ProxyHandshake {
 public:
  ProxyHandshake(const Url& proxy, const Url& server);

  // What is to be sent now; empty if the proxy has to say more first.
  [[nodiscard]] std::string take_output();
  // The next byte from the proxy. Fails when it refuses, or is no such proxy.
  [[nodiscard]] Result<void> feed(char byte);
  [[nodiscard]] bool is_done() const { return step_ == Step::done; }

 private:
  enum class Step : std::uint8_t { http, socks_method, socks_password, socks_reply, done };

  void begin_http();
  void begin_socks();
  void ask_socks();
  [[nodiscard]] Result<void> feed_http();
  [[nodiscard]] Result<void> feed_socks();

  Url proxy_;
  Url server_;
  Step step_ = Step::http;
  std::string output_;
  std::string input_;  // of this step
};

}  // namespace proxy::sources::kubernetes
