#include "proxy/sources/kubernetes/json_stream.hpp"

#include <algorithm>

namespace proxy::sources::kubernetes {
namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

Error malformed(std::string_view what) {
  return invalid("not JSON: " + std::string{what});
}

}  // namespace

// ── PendingText ─────────────────────────────────────────────────────────────────────────────────

void PendingText::append(std::string_view bytes) {
  compact();
  text_.append(bytes);
}

void PendingText::compact() {
  if (at_ == 0) return;
  text_.erase(0, at_);
  scanned_ -= std::min(scanned_, at_);
  at_ = 0;
  // One large object must not keep its memory for ever.
  constexpr std::size_t kKept = std::size_t{1} << 20;
  if (text_.capacity() > kKept && text_.size() < kKept / 4) text_.shrink_to_fit();
}

char PendingText::peek() {
  while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
  return at_ < text_.size() ? text_[at_] : '\0';
}

bool PendingText::empty() {
  return !begun_ && peek() == '\0' && at_ == text_.size();
}

std::optional<std::string_view> PendingText::value() {
  if (!begun_) {
    if (peek() == '\0' && at_ == text_.size()) return std::nullopt;
    scanned_ = at_;
    depth_ = 0;
    in_string_ = false;
    begun_ = true;
  }
  if (!scan()) return std::nullopt;
  begun_ = false;
  const auto whole = std::string_view{text_}.substr(at_, scanned_ - at_);
  at_ = scanned_;
  return whole;
}

bool PendingText::scan() {
  const std::string_view text{text_};
  while (scanned_ < text.size()) {
    if (in_string_) {
      auto sign = scanned_;
      while (sign < text.size() && text[sign] != '"' && text[sign] != '\\') ++sign;
      if (sign == text.size()) {
        scanned_ = sign;
        return false;
      }
      if (text[sign] == '\\') {
        if (sign + 1 == text.size()) {
          scanned_ = sign;  // what it escapes is not here yet
          return false;
        }
        scanned_ = sign + 2;
        continue;
      }
      scanned_ = sign + 1;
      in_string_ = false;
      if (depth_ == 0) return true;
      continue;
    }
    switch (text[scanned_]) {
      case '"':
        if (depth_ == 0 && scanned_ > at_) return true;  // ends the word before it
        in_string_ = true;
        break;
      case '{':
      case '[':
        if (depth_ == 0 && scanned_ > at_) return true;
        ++depth_;
        break;
      case '}':
      case ']':
        // A closing bracket where a value should begin is a value of its own, and no JSON.
        if (depth_ == 0) {
          if (scanned_ == at_) ++scanned_;
          return true;
        }
        if (--depth_ == 0) {
          ++scanned_;
          return true;
        }
        break;
      case ',':
      case ':':
      case ' ':
      case '\t':
      case '\r':
      case '\n':
        if (depth_ == 0) {
          if (scanned_ == at_) ++scanned_;
          return true;
        }
        break;
      default:
        break;
    }
    ++scanned_;
  }
  return false;
}

// ── ValueStream ─────────────────────────────────────────────────────────────────────────────────

Result<void> ValueStream::feed(std::string_view bytes,
                               const std::function<void(std::string_view)>& receive) {
  pending_.append(bytes);
  while (true) {
    const char next = pending_.peek();
    if (next == '\0' && pending_.empty()) return {};
    if (next != '{') return malformed("an event has to be an object");
    const auto value = pending_.value();
    if (!value) {
      if (pending_.size() > kLargestValue) return malformed("an event is too large");
      return {};
    }
    receive(*value);
  }
}

// ── ListStream ──────────────────────────────────────────────────────────────────────────────────

Result<void> ListStream::feed(std::string_view bytes, const Receiver& receive) {
  pending_.append(bytes);
  while (step(receive)) {
  }
  if (wrong_.empty() && pending_.size() > kLargestValue) wrong_ = "an object is too large";
  if (!wrong_.empty()) return malformed(wrong_);
  return {};
}

bool ListStream::step(const Receiver& receive) {
  if (!wrong_.empty() || pending_.empty()) return false;
  // At the start of a value, and else in the middle of one, which peek() must not disturb.
  const char next = pending_.peek();
  const auto expect = [&](char wanted, Phase then, std::string_view otherwise) {
    if (next != wanted) {
      wrong_ = otherwise;
      return false;
    }
    pending_.take();
    phase_ = then;
    return true;
  };
  const auto one_of = [&](char go_on, Phase then, char stop, Phase at_stop) {
    if (next == stop) return expect(stop, at_stop, "");
    return expect(go_on, then, "expected a comma or the end");
  };
  switch (phase_) {
    case Phase::begin:
      return expect('{', Phase::first_key, "a list has to be an object");
    case Phase::first_key:
      if (next == '}') return expect('}', Phase::end, "");
      phase_ = Phase::key;
      return true;
    case Phase::key: {
      if (next != '"') {
        wrong_ = "expected a key in quotes";
        return false;
      }
      const auto key = pending_.value();
      if (!key) return false;
      key_ = key->substr(1, key->size() - 2);
      phase_ = Phase::colon;
      return true;
    }
    case Phase::colon:
      return expect(':', Phase::value, "expected a colon after a key");
    case Phase::value: {
      if (key_ == "items" && next == '[') return expect('[', Phase::first_item, "");
      const auto value = pending_.value();
      if (!value) return false;
      take_value(receive, *value);
      return true;
    }
    case Phase::after_value:
      return one_of(',', Phase::key, '}', Phase::end);
    case Phase::first_item:
      if (next == ']') return expect(']', Phase::after_value, "");
      phase_ = Phase::item;
      return true;
    case Phase::item: {
      const auto item = pending_.value();
      if (!item) return false;
      phase_ = Phase::after_item;
      receive.item(*item);
      return true;
    }
    case Phase::after_item:
      return one_of(',', Phase::item, ']', Phase::after_value);
    case Phase::end:
      wrong_ = "something follows the list";
      return false;
  }
  return false;
}

void ListStream::take_value(const Receiver& receive, std::string_view value) {
  phase_ = Phase::after_value;
  receive.member(key_, value);
}

}  // namespace proxy::sources::kubernetes
