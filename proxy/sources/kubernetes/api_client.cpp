#include "proxy/sources/kubernetes/api_client.hpp"

#include <utility>

namespace proxy::sources::kubernetes {

namespace asio = boost::asio;

void ApiClient::drop() {
  response_.reset();
  connection_.reset();
}

void ApiClient::abort() {
  if (connection_) connection_->abort();
}

bool ApiClient::can_reuse(const Presented& presented) const {
  // An answer that was not read to its end is still on the connection.
  return connection_ && response_ && response_->is_done() && response_->head().keep_alive &&
         server_ == parts_.servers.current() && tls_ == presented.tls;
}

std::string ApiClient::request_text(const std::string& target, const Presented& presented) const {
  auto text = "GET " + server_.path + target + " HTTP/1.1\r\nHost: " + server_.authority() +
              "\r\nUser-Agent: " + parts_.user_agent +
              "\r\nAccept: application/json\r\nAccept-Encoding: gzip\r\n";
  for (const auto& [name, value] : presented.headers) text += name + ": " + value + "\r\n";
  return text + "\r\n";
}

asio::awaitable<Result<ResponseHead>> ApiClient::get(std::string target) {
  const auto head = co_await get_uncounted(std::move(target));
  if (parts_.answered) {
    parts_.answered(server_.authority(), head ? std::to_string(head->status) : "<error>");
  }
  co_return head;
}

asio::awaitable<Result<ResponseHead>> ApiClient::get_uncounted(std::string target) {
  const auto presented = co_await parts_.credentials.current();
  if (!presented) co_return presented.error();
  if (can_reuse(*presented)) {
    const auto request = request_text(target, *presented);
    if (const auto sent = co_await send_and_wait(request); sent) co_return response_->head();
    // The server may have closed it meanwhile, as it may at any time; that says nothing about it.
    if (response_ && response_->has_head()) co_return system_error(ECONNRESET, "read");
  }
  drop();
  server_ = parts_.servers.current();
  if (const auto open = co_await connect(*presented); !open) {
    drop();
    co_return open.error();
  }
  if (const auto sent = co_await send_and_wait(request_text(target, *presented)); !sent) {
    drop();
    co_return sent.error();
  }
  co_return response_->head();
}

asio::awaitable<Result<void>> ApiClient::connect(const Presented& presented) {
  connection_ = std::make_shared<Connection>(parts_.executor);
  tls_ = presented.tls;
  const auto connection = connection_;  // drop() may come while we wait
  auto opened = co_await connection->open(server_, parts_.proxy.in_front_of(server_), tls_,
                                          parts_.timing.connect);
  co_return opened;
}

asio::awaitable<Result<void>> ApiClient::send_and_wait(const std::string& request) {
  response_.emplace();
  early_body_.clear();
  const auto connection = connection_;
  if (const auto sent = co_await connection->write(request, parts_.timing.reply); !sent) {
    co_return sent.error();
  }
  const auto keep = [this](std::string_view bytes) {
    early_body_ += bytes;
    return Result<void>{};
  };
  while (!response_->has_head()) {
    const auto got = co_await connection->read_some(buffer_, parts_.timing.reply);
    if (!got) co_return got.error();
    if (*got == 0) co_return system_error(ECONNRESET, "wait for an answer");
    parts_.sign_of_life();
    if (const auto good = response_->feed({buffer_.data(), *got}, keep); !good) {
      co_return good.error();
    }
  }
  co_return Result<void>{};
}

asio::awaitable<Result<bool>> ApiClient::read_body(const HttpResponse::BodyReceiver& receive,
                                                   Duration patience) {
  if (!early_body_.empty()) {
    const auto early = std::exchange(early_body_, {});
    if (const auto taken = receive(early); !taken) co_return taken.error();
    co_return true;
  }
  if (response_->is_done()) co_return false;
  const auto connection = connection_;
  const auto got = co_await connection->read_some(buffer_, patience);
  if (!got) co_return got.error();
  if (*got == 0) {
    if (const auto whole = response_->finish(receive); !whole) co_return whole.error();
    co_return false;
  }
  parts_.sign_of_life();
  if (const auto good = response_->feed({buffer_.data(), *got}, receive); !good) {
    co_return good.error();
  }
  co_return true;
}

asio::awaitable<std::string> ApiClient::rest_of_body(std::size_t most, Duration patience) {
  std::string text;
  const auto keep = [&](std::string_view bytes) -> Result<void> {
    if (text.size() + bytes.size() > most) return invalid("a long answer");
    text += bytes;
    return {};
  };
  while (true) {
    const auto more = co_await read_body(keep, patience);
    if (more && *more) continue;
    if (!more) drop();
    co_return text;
  }
}

}  // namespace proxy::sources::kubernetes
