// All that a set of manifest files says, kept up to date file by file.
//
// Pure apart from its decoder's buffers: who calls reads the files. Between files the catalogue
// decides; slices for services that have none of their own are derived. Records are handed over,
// not kept.
#pragma once

#include "proxy/records/decode.hpp"
#include "proxy/sources/manifests/catalogue.hpp"
#include "proxy/sources/manifests/derived_slices.hpp"
#include "proxy/sources/manifests/file_content.hpp"
#include "proxy/sources/source.hpp"

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace proxy::sources::manifests {

class Manifests {
 public:
  // The file now reads `text`. An empty one (not a byte) that had content is taken for one that
  // somebody is about to write, and changes nothing but the problems.
  void update(const std::string& file, std::string_view text);

  // The file is there and could not be read; what it said stays in force.
  void set_unreadable(const std::string& file, std::string why);

  // The file was deleted, and with it what it said.
  void remove(const std::string& file);

  [[nodiscard]] bool has_content(const std::string& file) const;

  // What changed since the last call; at most one change per key.
  [[nodiscard]] std::vector<Change> take_changes();

  // Everything there is, instead of the first take_changes().
  [[nodiscard]] std::vector<records::Record> take_first();

  // Files of which a record is needed that was handed over before (an object that two files said,
  // and the one that counted is gone): update() them, and more can be taken.
  [[nodiscard]] const std::set<std::string>& files_to_read_again() const {
    return catalogue_.files_to_read_again();
  }

  // In the order of files, then lines. `folder` is put before the names of files; may be empty.
  [[nodiscard]] std::vector<Problem> problems(const std::string& folder) const;

  // Objects of kinds that are not ours, "file: apps/v1 Deployment shop/web".
  [[nodiscard]] std::vector<std::string> skipped() const;

 private:
  struct File {
    FileContent content;
    std::string unreadable;  // why it can't be read now; empty: it can
  };

  // The file's statements in order, each told where it stands.
  [[nodiscard]] static std::vector<StatementPtr> statements_of(const FileContent& content);
  // Calls `receive` with each change of what was written, then of what is derived from it.
  template <class Receive>
  void take(Receive receive);

  records::Decoder decoder_;
  std::map<std::string, File> files_;
  Catalogue catalogue_;
  DerivedSlices derived_;
};

}  // namespace proxy::sources::manifests
