// Any words as a command line: a configuration, or one error that begins with the word or flag at
// fault. What is accepted as a duration or an address reads the same when it is written and read
// again.
#include "proxy/config/command_line.hpp"
#include "proxy/config/from_flags.hpp"

#include <cstdlib>
#include <string>
#include <vector>

namespace {

using namespace proxy::config;

void require(bool holds) {
  if (!holds) std::abort();
}

// Words are separated by line feeds.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const auto end = text.find('\n');
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  return words;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const auto words = words_of(text);
  if (const auto line = parse_command_line(words)) {
    (void)warnings(line->flags);
    const auto config = config_from_flags(line->flags, "node");
    require(config || !config.error().text().empty());
  } else {
    require(!line.error().text().empty());
  }
  for (const auto& word : words) {
    if (const auto duration = parse_duration(word)) {
      const auto again = parse_duration(duration_text(*duration));
      require(again && *again == *duration);
    }
    if (const auto address = parse_socket_address(word, proxy::Port{1})) {
      const auto again = parse_socket_address(address->text(), proxy::Port{2});
      require(again && *again == *address);
    }
  }
  return 0;
}
