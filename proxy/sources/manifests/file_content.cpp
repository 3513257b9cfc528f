#include "proxy/sources/manifests/file_content.hpp"

#include "proxy/records/yaml_to_json.hpp"
#include "proxy/sources/manifests/documents.hpp"

#include <functional>
#include <set>
#include <unordered_map>

namespace proxy::sources::manifests {
namespace {

std::uint64_t hash_of(std::string_view text) {
  return std::hash<std::string_view>{}(text);
}

// Sorts the outcomes of decoding into a document.
struct Receive {
  Document& document;

  void operator()(records::Outcome outcome) const {
    if (auto* decoded = std::get_if<records::Decoded>(&outcome)) {
      auto statement = std::make_shared<Statement>();
      statement->key = key_of(decoded->record);
      statement->fingerprint = decoded->fingerprint;
      statement->body = std::make_unique<records::Record>(std::move(decoded->record));
      document.statements.push_back(std::move(statement));
      for (auto& remark : decoded->remarks) notes().remarks.push_back(std::move(remark));
    } else if (const auto* skipped = std::get_if<records::Skipped>(&outcome)) {
      notes().skipped.push_back(skipped->text());
    } else if (auto* rejected = std::get_if<records::Rejected>(&outcome)) {
      notes().complaints.push_back({std::move(rejected->key), rejected->error.text()});
    }
  }
  Notes& notes() const {
    if (!document.notes) document.notes = std::make_unique<Notes>();
    return *document.notes;
  }
};

Document decode_document(const DocumentText& text, records::Decoder& decoder) {
  Document document;
  const Receive receive{document};
  if (text.is_json()) {
    decoder.decode(text.text, receive);
    return document;
  }
  const auto converted = records::yaml_to_json(text.text, text.first_line);
  if (!converted) {
    receive.notes().complaints.push_back({std::nullopt, converted.error().text()});
    return document;
  }
  for (const auto& json : *converted) decoder.decode(json, receive);
  return document;
}

// The documents of the last version, each to be taken over once at most.
class LastDocuments {
 public:
  LastDocuments(std::vector<Document>& documents, Reuse reuse) {
    if (reuse == Reuse::nothing) return;
    for (auto& document : documents) by_hash_.emplace(document.hash, &document);
  }
  std::optional<Document> take(std::uint64_t hash) {
    const auto found = by_hash_.find(hash);
    if (found == by_hash_.end()) return std::nullopt;
    auto document = std::move(*found->second);
    by_hash_.erase(found);
    return document;
  }

 private:
  std::unordered_multimap<std::uint64_t, Document*> by_hash_;
};

// Keys that can't be read now, and whether there are mistakes of which nobody knows the key.
struct Unreadable {
  std::set<records::RecordKey> keys;
  bool any = false;
};
Unreadable unreadable(const FileContent& content) {
  Unreadable result;
  for (const auto& document : content.documents) {
    if (!document.notes) continue;
    for (const auto& complaint : document.notes->complaints) {
      if (complaint.key) {
        result.keys.insert(*complaint.key);
      } else {
        result.any = true;
      }
    }
  }
  return result;
}

// Of what is left of the last version when documents were taken over.
std::vector<StatementPtr> retained_of(const FileContent& last, const FileContent& now) {
  const auto missing = unreadable(now);
  if (!missing.any && missing.keys.empty()) return {};
  std::set<records::RecordKey> said;
  for (const auto& document : now.documents) {
    for (const auto& statement : document.statements) said.insert(statement->key);
  }
  std::vector<StatementPtr> retained;
  const auto keep = [&](const StatementPtr& statement) {
    if (!missing.any && !missing.keys.contains(statement->key)) return;
    if (said.insert(statement->key).second) retained.push_back(statement);
  };
  for (const auto& document : last.documents) {
    for (const auto& statement : document.statements) keep(statement);
  }
  for (const auto& statement : last.retained) keep(statement);
  return retained;
}

}  // namespace

FileContent read_content(std::string_view text, records::Decoder& decoder, FileContent last,
                         Reuse reuse) {
  FileContent now;
  LastDocuments last_documents{last.documents, reuse};
  for (const auto& part : split_documents(text)) {
    const auto hash = hash_of(part.text);
    auto known = last_documents.take(hash);
    now.documents.push_back(known ? *std::move(known) : decode_document(part, decoder));
    now.documents.back().first_line = part.first_line;
    now.documents.back().hash = hash;
  }
  now.retained = retained_of(last, now);
  return now;
}

}  // namespace proxy::sources::manifests
