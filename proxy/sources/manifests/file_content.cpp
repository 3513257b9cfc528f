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
      document.records.push_back(
          std::make_shared<const records::Record>(std::move(decoded->record)));
      for (auto& remark : decoded->remarks) document.remarks.push_back(std::move(remark));
    } else if (const auto* skipped = std::get_if<records::Skipped>(&outcome)) {
      document.skipped.push_back(skipped->text());
    } else if (auto* rejected = std::get_if<records::Rejected>(&outcome)) {
      document.complaints.push_back({std::move(rejected->key), rejected->error.text()});
    }
  }
};

Document decode_document(const DocumentText& text, std::uint64_t hash, records::Decoder& decoder) {
  Document document;
  document.first_line = text.first_line;
  document.hash = hash;
  if (text.is_json()) {
    decoder.decode(text.text, Receive{document});
    return document;
  }
  const auto converted = records::yaml_to_json(text.text, text.first_line);
  if (!converted) {
    document.complaints.push_back({std::nullopt, converted.error().text()});
    return document;
  }
  for (const auto& json : *converted) decoder.decode(json, Receive{document});
  return document;
}

// The documents of the last version, each to be taken over once at most.
class LastDocuments {
 public:
  explicit LastDocuments(std::vector<Document>& documents) {
    for (auto& document : documents) by_hash_.emplace(document.hash, &document);
  }
  // A copy, since what is not said any more is looked up in the last version afterwards.
  std::optional<Document> take(std::uint64_t hash) {
    const auto found = by_hash_.find(hash);
    if (found == by_hash_.end()) return std::nullopt;
    auto document = *found->second;
    by_hash_.erase(found);
    return document;
  }

 private:
  std::unordered_multimap<std::uint64_t, const Document*> by_hash_;
};

// Keys that can't be read now, and whether there are mistakes of which nobody knows the key.
struct Unreadable {
  std::set<records::RecordKey> keys;
  bool any = false;
};
Unreadable unreadable(const FileContent& content) {
  Unreadable result;
  for (const auto& document : content.documents) {
    for (const auto& complaint : document.complaints) {
      if (complaint.key) {
        result.keys.insert(*complaint.key);
      } else {
        result.any = true;
      }
    }
  }
  return result;
}

std::vector<RecordPtr> retained_of(const FileContent& last, const FileContent& now) {
  const auto missing = unreadable(now);
  if (!missing.any && missing.keys.empty()) return {};
  std::set<records::RecordKey> said;
  for (const auto& document : now.documents) {
    for (const auto& record : document.records) said.insert(key_of(*record));
  }
  std::vector<RecordPtr> retained;
  const auto keep = [&](const RecordPtr& record) {
    const auto key = key_of(*record);
    if (!missing.any && !missing.keys.contains(key)) return;
    if (said.insert(key).second) retained.push_back(record);
  };
  for (const auto& document : last.documents) {
    for (const auto& record : document.records) keep(record);
  }
  for (const auto& record : last.retained) keep(record);
  return retained;
}

}  // namespace

FileContent read_content(std::string_view text, records::Decoder& decoder, FileContent last) {
  FileContent now;
  LastDocuments last_documents{last.documents};
  for (const auto& part : split_documents(text)) {
    const auto hash = hash_of(part.text);
    auto known = last_documents.take(hash);
    now.documents.push_back(known ? *std::move(known) : decode_document(part, hash, decoder));
    now.documents.back().first_line = part.first_line;
  }
  now.retained = retained_of(last, now);
  return now;
}

}  // namespace proxy::sources::manifests
