// Any bytes on the admin socket: one reply, which is JSON on one line with nothing in it that would
// drive a terminal.
#include "proxy/status/admin_protocol.hpp"

#include <simdjson.h>

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view received{reinterpret_cast<const char*>(data), size};
  (void)proxy::status::is_complete_object(received);
  std::string reply;
  proxy::status::answer_admin(
      {{"status", proxy::status::at_once([](const auto&) { return std::string{"{}"}; })}}, received,
      [&](std::string text) { reply = std::move(text); });
  simdjson::dom::parser parser;
  if (parser.parse(reply).error() != simdjson::SUCCESS) std::abort();
  for (const char c : reply) {
    if (static_cast<unsigned char>(c) < 0x20) std::abort();
  }
  return 0;
}
