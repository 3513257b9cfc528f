// Reads one HTTP/1.1 response (RFC 9112) piece by piece: the head, then the body as it arrives,
// chunked or not, gzip undone.
//
// No socket. Boost.Beast does the parsing and stays in the .cpp.
#pragma once

#include "proxy/result.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace proxy::sources::kubernetes {

struct ResponseHead {
  unsigned status = 0;
  bool keep_alive = false;  // the connection can serve another request when the body has ended
  bool gzip = false;
  // RFC 9110 §10.2.3 in its form in seconds; dates are not used by API servers.
  std::optional<std::chrono::seconds> retry_after;
  std::string content_type;
};

class HttpResponse {
 public:
  using BodyReceiver = std::function<Result<void>(std::string_view)>;

  HttpResponse();
  ~HttpResponse();
  HttpResponse(HttpResponse&&) noexcept;
  HttpResponse& operator=(HttpResponse&&) noexcept;

  // Bytes from the server; body goes to `receive`, whose error ends the reading and is returned.
  // Fails for what is no HTTP.
  [[nodiscard]] Result<void> feed(std::string_view bytes, const BodyReceiver& receive);
  // The server closed the connection. Fails if the response was not whole.
  [[nodiscard]] Result<void> finish(const BodyReceiver& receive);

  [[nodiscard]] bool has_head() const;
  [[nodiscard]] const ResponseHead& head() const;  // requires has_head()
  [[nodiscard]] bool is_done() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace proxy::sources::kubernetes
