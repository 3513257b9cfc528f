#include "proxy/sources/kubernetes/http_response.hpp"

#include "proxy/sources/kubernetes/gunzip.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/field.hpp>

#include <charconv>

namespace proxy::sources::kubernetes {
namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;
using boost::beast::string_view;

constexpr std::uint32_t kLargestHead = 64U << 10;

std::string_view plain(string_view text) {
  return {text.data(), text.size()};
}

// What Beast finds, as it finds it.
class Parser final : public http::basic_parser<false> {
 public:
  ResponseHead head;
  std::function<Result<void>(std::string_view)> body;
  std::optional<Error> refused;  // by `body`

 private:
  error_code give(std::string_view bytes) {
    const auto taken = body(bytes);
    if (taken) return {};
    refused = taken.error();
    return make_error_code(boost::system::errc::operation_canceled);
  }

  void on_request_impl(http::verb, string_view, string_view, int, error_code&) override {}
  void on_response_impl(int status, string_view, int, error_code&) override {
    head.status = static_cast<unsigned>(status);
  }
  void on_field_impl(http::field name, string_view, string_view value, error_code&) override {
    if (name == http::field::content_encoding) {
      head.gzip = boost::beast::iequals(value, "gzip");
    } else if (name == http::field::content_type) {
      head.content_type = plain(value);
    } else if (name == http::field::retry_after) {
      unsigned seconds = 0;
      const auto [end, failed] =
          std::from_chars(value.data(), value.data() + value.size(), seconds);
      if (failed == std::errc{}) head.retry_after = std::chrono::seconds{seconds};
    }
  }
  void on_header_impl(error_code&) override { head.keep_alive = keep_alive(); }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view bytes, error_code& failed) override {
    failed = give(plain(bytes));
    return bytes.size();
  }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view bytes, error_code& failed) override {
    failed = give(plain(bytes));
    return bytes.size();
  }
  void on_finish_impl(error_code&) override {}
};

}  // namespace

struct HttpResponse::Impl {
  Parser parser;
  std::optional<Gunzip> gunzip;
  std::string waiting;  // what Beast wants to see again together with what follows it

  Impl() {
    parser.eager(true);
    parser.body_limit(boost::none);  // a watch has no end
    parser.header_limit(kLargestHead);
  }

  Result<void> receive(std::string_view bytes, const BodyReceiver& receiver) {
    if (!parser.head.gzip) return receiver(bytes);
    if (!gunzip) gunzip.emplace();
    return gunzip->feed(bytes, receiver);
  }

  Result<void> failure(const error_code& code) {
    if (parser.refused) return *std::exchange(parser.refused, std::nullopt);
    return invalid("not HTTP: " + code.message());
  }
};

HttpResponse::HttpResponse() : impl_{std::make_unique<Impl>()} {}
HttpResponse::~HttpResponse() = default;
HttpResponse::HttpResponse(HttpResponse&&) noexcept = default;
HttpResponse& HttpResponse::operator=(HttpResponse&&) noexcept = default;

bool HttpResponse::has_head() const {
  return impl_->parser.is_header_done();
}
const ResponseHead& HttpResponse::head() const {
  return impl_->parser.head;
}
bool HttpResponse::is_done() const {
  return impl_->parser.is_done();
}

Result<void> HttpResponse::feed(std::string_view bytes, const BodyReceiver& receive) {
  auto& parser = impl_->parser;
  parser.body = [&](std::string_view piece) { return impl_->receive(piece, receive); };
  std::string together;
  if (!impl_->waiting.empty()) {
    together = std::move(impl_->waiting);
    together += bytes;
    bytes = together;
    impl_->waiting.clear();
  }
  while (!bytes.empty() && !parser.is_done()) {
    error_code failed;
    const auto used = parser.put(boost::asio::const_buffer{bytes.data(), bytes.size()}, failed);
    bytes.remove_prefix(used);
    if (failed == http::error::need_more) {
      if (bytes.size() > kLargestHead) return invalid("not HTTP: a head without end");
      impl_->waiting = bytes;
      return {};
    }
    if (failed) return impl_->failure(failed);
    if (used == 0) {
      impl_->waiting = bytes;
      return {};
    }
  }
  // A server that says something nobody asked for can't be trusted with another request.
  if (!bytes.empty()) parser.head.keep_alive = false;
  return {};
}

Result<void> HttpResponse::finish(const BodyReceiver& receive) {
  auto& parser = impl_->parser;
  if (parser.is_done()) return {};
  parser.body = [&](std::string_view piece) { return impl_->receive(piece, receive); };
  error_code failed;
  if (parser.got_some()) parser.put_eof(failed);
  if (failed == http::error::partial_message || !parser.is_done()) {
    return system_error(ECONNRESET, "the connection ended within the answer");
  }
  if (failed) return impl_->failure(failed);
  return {};
}

}  // namespace proxy::sources::kubernetes
