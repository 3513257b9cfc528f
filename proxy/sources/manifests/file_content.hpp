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

// One object that a file says. Shared between the file and the catalogue, and known by its address.
struct Statement {
  records::RecordKey key;
  std::uint64_t fingerprint = 0;  // of what it says
  std::size_t line = 1;           // the first of its document
  std::size_t place = 0;          // among the file's statements
  // Only until it was handed over: a copy of every record would double what they cost. Who needs it
  // again has the file read again.
  std::unique_ptr<records::Record> body;
};
using StatementPtr = std::shared_ptr<Statement>;

// An object, or a whole document, that could not be read.
struct Complaint {
  std::optional<records::RecordKey> key;  // if it could be told which object it was going to be
  std::string what;
};

// What there is to say about a document beside its statements; most have nothing of it.
struct Notes {
  std::vector<Complaint> complaints;
  std::vector<std::string> remarks;  // values that were left out of records
  std::vector<std::string> skipped;  // objects of kinds that are not ours
};

struct Document {
  std::size_t first_line = 1;
  std::uint64_t hash = 0;  // of its bytes
  std::vector<StatementPtr> statements;
  std::unique_ptr<Notes> notes;
};

struct FileContent {
  std::vector<Document> documents;
  // Statements of earlier versions that stay in force, because what now stands in their place can't
  // be read. If a document can't even be told to be about which object, as when a file is written
  // only half, that is everything the file doesn't say any more.
  std::vector<StatementPtr> retained;
};

// Whether documents with unchanged bytes are taken over from the last version, or decoded again for
// the bodies of their statements.
enum class Reuse : std::uint8_t { unchanged_documents, nothing };

// The content of a file that now reads `text` and before was `last` (empty for a new one).
[[nodiscard]] FileContent read_content(std::string_view text, records::Decoder& decoder,
                                       FileContent last, Reuse reuse = Reuse::unchanged_documents);

}  // namespace proxy::sources::manifests
