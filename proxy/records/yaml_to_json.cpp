#include "proxy/records/yaml_to_json.hpp"

#include "proxy/records/json_text.hpp"
#include "proxy/records/names.hpp"
#include "proxy/records/utf8.hpp"
#include "proxy/records/yaml_scalar.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <istream>
#include <set>
#include <streambuf>
#include <tuple>
#include <unordered_map>

namespace proxy::records {
namespace {

// yaml-cpp reports mistakes by throwing, and a handler can only stop it likewise; none of it leaves
// this file.
[[noreturn]] void stop(const YAML::Mark& mark, const std::string& why) {
  throw YAML::ParserException{mark, why};
}

// Writes the JSON of one document as the parser finds it.
class JsonWriter final : public YAML::EventHandler {
 public:
  JsonWriter(std::vector<std::string>& documents, YamlLimits limits)
      : documents_{documents}, limits_{limits} {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    // Of a sign that can't begin anything (a comma) the parser makes empty documents without end.
    if (mark.pos == document_at_) stop(mark, "a sign that can't begin a document");
    document_at_ = mark.pos;
    json_.clear();
    open_.clear();
    anchors_.clear();
  }
  void OnDocumentEnd() override {
    if (!json_.empty() && json_ != "null") documents_.push_back(std::move(json_));
  }

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    write_scalar(mark, anchor, "null");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (tag == "?" && value == "<<" && expects_key()) {
      open_.back().merging = true;
      open_.back().has_key = true;
      return;
    }
    write_scalar(mark, anchor, json_of(mark, tag, value));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto known = anchors_.find(anchor);
    if (known == anchors_.end()) stop(mark, "an alias stands within what it stands for");
    spend(mark, known->second.size());
    write_scalar(mark, YAML::NullAnchor, known->second);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, anchor, '[');
  }
  void OnSequenceEnd() override { close(']'); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, anchor, '{');
  }
  void OnMapEnd() override {
    add_merged();
    close('}');
  }

 private:
  // A sequence or mapping that is being written.
  struct Open {
    YAML::Mark mark;
    YAML::anchor_t anchor;
    std::size_t begin;  // of its JSON
    bool is_map;
    bool empty = true;
    bool has_key = false;            // a key was written, its value was not
    bool merging = false;            // that key is <<
    std::set<std::string> keys;      // as JSON strings
    std::vector<std::string> merge;  // what << named: JSON of mappings, the first counts most
  };

  bool expects_key() const {
    return !open_.empty() && open_.back().is_map && !open_.back().has_key;
  }

  static std::string json_of(const YAML::Mark& mark, const std::string& tag,
                             const std::string& value) {
    constexpr std::string_view kStandard = "tag:yaml.org,2002:";
    const auto name = std::string_view{tag}.starts_with(kStandard)
                          ? std::string_view{tag}.substr(kStandard.size())
                          : std::string_view{tag};
    if (name == "binary") stop(mark, "!!binary is not supported");
    const bool resolve =
        name == "?" || name == "int" || name == "float" || name == "bool" || name == "null";
    if (!resolve) {  // in quotes, !!str, or a tag that means something to others
      std::string json;
      append_json_string(json, value);
      return json;
    }
    auto json = json_of_plain_scalar(value);
    if (!json) stop(mark, json.error().context);
    return *std::move(json);
  }

  void spend(const YAML::Mark& mark, std::size_t bytes) {
    if (bytes > limits_.expansion - spent_) stop(mark, "aliases expand to too much");
    spent_ += bytes;
  }

  // Everything between two values of a sequence, or before a value of a mapping.
  void begin_value(const YAML::Mark& mark) {
    if (open_.empty()) return;
    auto& around = open_.back();
    if (around.is_map) {
      if (!around.has_key) stop(mark, "a key is not a scalar");
      return;
    }
    if (!around.empty) json_ += ',';
    around.empty = false;
  }

  void end_value(const YAML::Mark& mark, YAML::anchor_t anchor, std::size_t begin) {
    if (anchor != YAML::NullAnchor) {
      spend(mark, json_.size() - begin);
      anchors_[anchor] = json_.substr(begin);
    }
    if (open_.empty() || !open_.back().is_map) return;
    auto& around = open_.back();
    around.has_key = false;
    if (!around.merging) return;
    around.merging = false;
    take_merge(mark, json_.substr(begin), around.merge);
    json_.resize(begin);
  }

  void write_scalar(const YAML::Mark& mark, YAML::anchor_t anchor, const std::string& json) {
    if (expects_key()) return write_key(mark, anchor, json);
    begin_value(mark);
    const auto begin = json_.size();
    json_ += json;
    end_value(mark, anchor, begin);
  }

  void write_key(const YAML::Mark& mark, YAML::anchor_t anchor, const std::string& json) {
    if (json == "null" || json.starts_with('{') || json.starts_with('[')) {
      stop(mark, "a key is not a string, number or boolean");
    }
    if (anchor != YAML::NullAnchor) {
      spend(mark, json.size());
      anchors_[anchor] = json;
    }
    auto& around = open_.back();
    const auto key = json.starts_with('"') ? json : '"' + json + '"';
    if (!around.keys.insert(key).second) stop(mark, "the key " + key + " comes twice");
    around.has_key = true;
    append_key(around, key);
  }

  void append_key(Open& around, std::string_view key) {
    if (!around.empty) json_ += ',';
    around.empty = false;
    json_ += key;
    json_ += ':';
  }

  void open(const YAML::Mark& mark, YAML::anchor_t anchor, char bracket) {
    begin_value(mark);
    open_.push_back({.mark = mark,
                     .anchor = anchor,
                     .begin = json_.size(),
                     .is_map = bracket == '{',
                     .keys = {},
                     .merge = {}});
    json_ += bracket;
  }

  void close(char bracket) {
    json_ += bracket;
    const auto [mark, anchor, begin] =
        std::tuple{open_.back().mark, open_.back().anchor, open_.back().begin};
    open_.pop_back();
    end_value(mark, anchor, begin);
  }

  // The operand of <<: a mapping or a sequence of mappings.
  static void take_merge(const YAML::Mark& mark, const std::string& json,
                         std::vector<std::string>& merge) {
    const auto add = [&](std::string_view one) {
      if (!one.starts_with('{')) stop(mark, "<< needs a mapping or a sequence of mappings");
      merge.emplace_back(one);
    };
    if (!json.starts_with('[')) return add(json);
    const auto elements = json::elements(json);
    if (!elements) stop(mark, elements.error().context);
    for (const auto element : *elements) add(element);
  }

  // Merged members that the mapping does not have itself.
  void add_merged() {
    auto& map = open_.back();
    for (const auto& json : map.merge) {
      const auto members = json::members(json);
      if (!members) stop(map.mark, members.error().context);
      for (const auto& [key, value] : *members) {
        const auto quoted_key = '"' + std::string{key} + '"';
        if (!map.keys.insert(quoted_key).second) continue;
        spend(map.mark, value.size());
        append_key(map, quoted_key);
        json_ += value;
      }
    }
  }

  std::vector<std::string>& documents_;
  YamlLimits limits_;
  int document_at_ = -1;  // where the document begins, in bytes
  std::string json_;
  std::vector<Open> open_;
  std::unordered_map<YAML::anchor_t, std::string> anchors_;  // JSON of what is complete
  std::size_t spent_ = 0;
};

// A stream over text that somebody else owns.
class ViewBuffer final : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    // The buffer is only read from; the interface wants it mutable.
    auto* begin = const_cast<char*>(text.data());
    setg(begin, begin, begin + text.size());
  }
};

Error at_line(std::size_t line, const std::string& what) {
  return invalid("line " + std::to_string(line) + ": " + what);
}

}  // namespace

Result<std::vector<std::string>> yaml_to_json(std::string_view yaml, std::size_t first_line,
                                              YamlLimits limits) {
  if (const auto bad = find_not_text(yaml)) {
    const auto before = yaml.substr(0, *bad);
    const auto line = first_line + static_cast<std::size_t>(std::ranges::count(before, '\n'));
    return at_line(line, "a character that is not allowed in YAML, or not UTF-8");
  }
  std::vector<std::string> documents;
  ViewBuffer buffer{yaml};
  std::istream stream{&buffer};
  try {
    YAML::Parser parser{stream};
    JsonWriter writer{documents, limits};
    while (parser.HandleNextDocument(writer)) {
    }
  } catch (const YAML::Exception& error) {
    const auto line = error.mark.is_null() ? 0 : static_cast<std::size_t>(error.mark.line);
    return at_line(first_line + line, error.msg);
  }
  return documents;
}

}  // namespace proxy::records
