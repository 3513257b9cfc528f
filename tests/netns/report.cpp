#include "tests/netns/report.hpp"

#include <stdexcept>

namespace netns {

std::string encode(const Report& report) {
  return report.party + '\t' + report.at.text() + '\t' + report.saw.text() + '\n';
}

std::optional<Report> decode_report(std::string_view text) {
  const auto first = text.find('\t');
  if (first == std::string_view::npos || !text.ends_with('\n')) return std::nullopt;
  const auto second = text.find('\t', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  try {
    return Report{.party = std::string{text.substr(0, first)},
                  .at = parse_socket_address(text.substr(first + 1, second - first - 1)),
                  .saw = parse_socket_address(text.substr(second + 1, text.size() - second - 2))};
  } catch (const std::invalid_argument&) {
    return std::nullopt;
  }
}

}  // namespace netns
