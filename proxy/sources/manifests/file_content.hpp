// What one manifest file says, and of what it said before what still counts.
//
// Pure: text in, records out. A mistake costs no more than itself: other objects of the file are
// taken as they are now, and the object that can't be read any more stays as it last could.
#pragma once

#include "proxy/records/decode.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxy::sources::manifests {

// Records are shared between the file that says them, the catalogue and what is derived from them.
using RecordPtr = std::shared_ptr<const records::Record>;

// An object, or a whole document, that could not be read.
struct Complaint {
  std::optional<records::RecordKey> key;  // if it could be told which object it was going to be
  std::string what;
};

struct Document {
  std::size_t first_line = 1;
  std::uint64_t hash = 0;  // of its bytes
  std::vector<RecordPtr> records;
  std::vector<Complaint> complaints;
  std::vector<std::string> remarks;  // values that were left out of records
  std::vector<std::string> skipped;  // objects of kinds that are not ours
};

struct FileContent {
  std::vector<Document> documents;
  // Records of earlier versions that stay in force, because what now stands in their place can't be
  // read. If a document can't even be told to be about which object, as when a file is written only
  // half, that is everything the file doesn't say any more.
  std::vector<RecordPtr> retained;
};

// The content of a file that now reads `text` and before was `last` (empty for a new one), of which
// documents with unchanged bytes are taken over.
[[nodiscard]] FileContent read_content(std::string_view text, records::Decoder& decoder,
                                       FileContent last);

}  // namespace proxy::sources::manifests
