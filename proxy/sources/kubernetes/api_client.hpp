// Requests to the API server, one at a time, over one connection that is kept while it is good.
//
// Knows HTTP, credentials and which server to ask; nothing of lists and watches.
#pragma once

#include "proxy/sources/kubernetes/connection.hpp"
#include "proxy/sources/kubernetes/credentials.hpp"
#include "proxy/sources/kubernetes/http_response.hpp"
#include "proxy/sources/kubernetes/proxy_choice.hpp"
#include "proxy/sources/kubernetes/server_choice.hpp"
#include "proxy/sources/kubernetes/timing.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace proxy::sources::kubernetes {

// What all clients of a source share; outlives them.
struct ClientParts {
  boost::asio::any_io_executor executor;
  Credentials& credentials;
  ServerChoice& servers;
  const ProxyChoice& proxy;
  std::string user_agent;
  const Timing& timing;
  std::function<void()> sign_of_life;  // something came from a server
  // A request has come to its head, or has failed: "<error>". May be null.
  std::function<void(const std::string& host, const std::string& code)> answered = nullptr;
};

class ApiClient {
 public:
  explicit ApiClient(const ClientParts& parts) : parts_{parts} {}

  // Sends GET `target` (of API, below the server's own path) and waits for the head of the answer.
  // What is left of an earlier answer is given up, with its connection.
  boost::asio::awaitable<Result<ResponseHead>> get(std::string target);

  // More of the body to `receive`; false when it has ended. Fails when `receive` does, or the
  // connection. Requires a head.
  boost::asio::awaitable<Result<bool>> read_body(const HttpResponse::BodyReceiver& receive,
                                                 Duration patience);

  // The answer, up to `most` bytes, of which the connection may be used again if that was all.
  boost::asio::awaitable<std::string> rest_of_body(std::size_t most, Duration patience);

  // Gives up what is going on.
  void drop();
  // The same, from outside of a request that is being waited for.
  void abort();

  // The server that the last request went to.
  [[nodiscard]] const Url& server() const { return server_; }

 private:
  [[nodiscard]] std::string request_text(const std::string& target,
                                         const Presented& presented) const;
  boost::asio::awaitable<Result<ResponseHead>> get_uncounted(std::string target);
  boost::asio::awaitable<Result<void>> connect(const Presented& presented);
  boost::asio::awaitable<Result<void>> send_and_wait(const std::string& request);
  [[nodiscard]] bool can_reuse(const Presented& presented) const;

  const ClientParts& parts_;
  Url server_;
  TlsMaterial tls_;  // of the connection
  std::shared_ptr<Connection> connection_;
  std::optional<HttpResponse> response_;
  std::string early_body_;  // came with the head
  std::vector<char> buffer_ = std::vector<char>(65536);
};

}  // namespace proxy::sources::kubernetes
