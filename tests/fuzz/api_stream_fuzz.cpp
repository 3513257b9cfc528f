// What an API server sends: HTTP's framing, gzip, the cutting of lists and watches into objects,
// and what is read from those. Law: where the network cuts the bytes makes no difference.
#include "proxy/records/decode.hpp"
#include "proxy/sources/kubernetes/http_response.hpp"
#include "proxy/sources/kubernetes/json_stream.hpp"
#include "proxy/sources/kubernetes/watch_event.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace proxy;
using namespace proxy::sources::kubernetes;

// Everything that came out of the bytes, up to the first mistake.
struct Seen {
  std::vector<std::string> values;
  bool good = true;
  friend bool operator==(const Seen&, const Seen&) = default;
};

template <class Feed>
void in_pieces(std::string_view bytes, std::size_t piece, const Feed& feed) {
  while (!bytes.empty()) {
    const auto cut = bytes.substr(0, piece);
    if (!feed(cut)) return;
    bytes.remove_prefix(cut.size());
  }
}

Seen events(std::string_view body, std::size_t piece) {
  Seen seen;
  ValueStream stream;
  in_pieces(body, piece, [&](std::string_view cut) {
    const auto good =
        stream.feed(cut, [&](std::string_view value) { seen.values.emplace_back(value); });
    return seen.good = good.has_value();
  });
  return seen;
}

Seen list(std::string_view body, std::size_t piece) {
  Seen seen;
  ListStream stream;
  const ListStream::Receiver receiver{
      .item = [&](std::string_view item) { seen.values.emplace_back(item); },
      .member =
          [&](std::string_view key, std::string_view value) {
            seen.values.push_back(std::string{key} + "=" + std::string{value});
          }};
  in_pieces(body, piece, [&](std::string_view cut) {
    return seen.good = stream.feed(cut, receiver).has_value();
  });
  return seen;
}

std::string body_of(std::string_view response, std::size_t piece) {
  std::string body;
  HttpResponse http;
  const auto keep = [&](std::string_view bytes) {
    if (body.size() < 1U << 20) body += bytes;
    return Result<void>{};
  };
  in_pieces(response, piece, [&](std::string_view cut) {
    return http.feed(cut, keep).has_value() && !http.is_done();
  });
  (void)http.finish(keep);
  return body;
}

void read_all(const Seen& seen) {
  static records::Decoder decoder;
  static records::json::Parser parser;
  for (const auto& value : seen.values) {
    const auto event = cut_event(value);
    const auto object = event ? event->object : std::string_view{value};
    (void)decoder.decode_object(object, {"v1", "Service"});
    (void)read_bookmark(parser, object);
    (void)read_status(parser, object);
    (void)read_list_metadata(parser, object);
    (void)read_version(parser, object);
  }
}

void demand(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t piece = 1U + data[0];
  const std::string_view input{reinterpret_cast<const char*>(data + 1), size - 1};
  const auto body = body_of(input, piece);
  for (const auto text : {std::string_view{body}, input}) {
    const auto all = events(text, text.size() + 1);
    demand(all == events(text, piece));
    const auto items = list(text, text.size() + 1);
    demand(items == list(text, piece));
    read_all(all);
    read_all(items);
  }
  return 0;
}
