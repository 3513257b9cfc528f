// One connection to an API server: TCP, through a proxy if there is one, TLS if the server speaks
// it.
//
// Lives on the executor it was given. Every wait has a deadline; abort() ends the one that is going
// on. A server that vanished without a word is noticed by TCP itself after some 25 s (keep-alive,
// and TCP_USER_TIMEOUT for what was sent).
#pragma once

#include "proxy/sources/kubernetes/url.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace proxy::sources::kubernetes {

using Duration = std::chrono::nanoseconds;

// What TLS needs, as texts in PEM. Compared to see whether it has been renewed.
struct TlsMaterial {
  std::string ca;           // empty: what the host trusts
  std::string certificate;  // with its key, or both empty
  std::string key;
  std::string server_name;  // empty: the server's host
  bool insecure = false;    // any certificate will do

  friend bool operator==(const TlsMaterial&, const TlsMaterial&) = default;
};

class Connection {
 public:
  explicit Connection(boost::asio::any_io_executor executor);
  ~Connection();  // closes
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Once. `patience` for each of its steps: name, each address, proxy, TLS. Fails with what did.
  boost::asio::awaitable<Result<void>> open(const Url& server, const std::optional<Url>& proxy,
                                            const TlsMaterial& tls, Duration patience);

  // At least one byte, or 0 at the end of what the server says.
  boost::asio::awaitable<Result<std::size_t>> read_some(std::span<char> into, Duration patience);
  boost::asio::awaitable<Result<void>> write(std::string_view bytes, Duration patience);

  // Ends what is being waited for with ECONNABORTED, and all that comes after it.
  void abort();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // shared with waits that end after us
};

}  // namespace proxy::sources::kubernetes
