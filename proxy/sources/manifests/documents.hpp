// Cuts a manifest file into its documents, by lines, before anything looks inside.
//
// So that of a large file only the documents whose bytes changed have to be decoded again.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace proxy::sources::manifests {

struct DocumentText {
  std::string_view text;       // without the line that separates it
  std::size_t first_line = 1;  // its number in the file

  // JSON needs no YAML parser: an object of JSON begins with { and then a quote or the end. What is
  // YAML's flow style ({kind: Service}) does not.
  [[nodiscard]] bool is_json() const;
};

// The documents of `file`, views into it. They are separated as kubectl has it: by lines that begin
// with --- and have only blanks or a comment behind it. Documents of blanks, comments and YAML
// directives alone are left out.
[[nodiscard]] std::vector<DocumentText> split_documents(std::string_view file);

}  // namespace proxy::sources::manifests
