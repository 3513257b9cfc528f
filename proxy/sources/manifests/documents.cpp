#include "proxy/sources/manifests/documents.hpp"

#include <algorithm>

namespace proxy::sources::manifests {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

std::string_view without_leading_blanks(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  return text;
}

bool is_separator(std::string_view line) {
  if (!line.starts_with("---")) return false;
  const auto rest = without_leading_blanks(line.substr(3));
  return rest.empty() || rest.front() == '#';
}

bool has_content(std::string_view line) {
  const auto text = without_leading_blanks(line);
  return !text.empty() && text.front() != '#' && line.front() != '%';
}

}  // namespace

bool DocumentText::is_json() const {
  const auto object = without_leading_blanks(text);
  if (!object.starts_with('{')) return false;
  const auto inside = without_leading_blanks(object.substr(1));
  return inside.starts_with('"') || inside.starts_with('}');
}

std::vector<DocumentText> split_documents(std::string_view file) {
  std::vector<DocumentText> documents;
  if (file.starts_with(kByteOrderMark)) file.remove_prefix(kByteOrderMark.size());
  std::size_t begin = 0;  // of the current document
  std::size_t first_line = 1;
  std::size_t number = 1;
  bool content = false;
  const auto end_document = [&](std::size_t end) {
    if (content) documents.push_back({file.substr(begin, end - begin), first_line});
    content = false;
  };
  for (std::size_t at = 0; at < file.size(); ++number) {
    const auto end = std::min(file.find('\n', at), file.size() - 1) + 1;
    const auto line = file.substr(at, end - at);
    if (is_separator(line)) {
      end_document(at);
      begin = end;
      first_line = number + 1;
    } else if (!content) {
      content = has_content(line);
    }
    at = end;
  }
  end_document(file.size());
  return documents;
}

}  // namespace proxy::sources::manifests
