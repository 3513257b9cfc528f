// Cuts JSON that arrives piece by piece into values as they become whole: the events of a watch,
// the items of a list. Nothing but the value that is still incomplete is kept, so that memory
// follows the largest object, not the list.
//
// Pure. Only brackets, quotes and commas are looked at; what is cut out may still be nonsense,
// which its parser finds. Iterative: no nesting exhausts the stack.
#pragma once

#include "proxy/result.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace proxy::sources::kubernetes {

inline constexpr std::size_t kLargestValue = std::size_t{32} << 20;  // bytes; etcd takes 1.5 MB

// Bytes that wait, and how far they have been looked at.
class PendingText {
 public:
  void append(std::string_view bytes);
  // The next character that is no blank; 0 if there is none yet. (A NUL is no JSON either.)
  [[nodiscard]] char peek();
  // Drops the character that peek() gave.
  void take() { ++at_; }
  // The value that begins at the next character, as soon as it is whole; a number or a word only
  // when something follows it. Valid until the next append().
  [[nodiscard]] std::optional<std::string_view> value();
  // Gives back the memory of what was cut off.
  void compact();

  [[nodiscard]] bool empty();  // but for blanks
  [[nodiscard]] std::size_t size() const { return text_.size() - at_; }

 private:
  [[nodiscard]] bool scan();  // has the value ended at scanned_?

  std::string text_;
  std::size_t at_ = 0;       // everything before is done
  std::size_t scanned_ = 0;  // of the value at at_: how far it has been looked at
  std::size_t depth_ = 0;    // open brackets at scanned_
  bool begun_ = false;
  bool in_string_ = false;
};

// Values that follow each other, with or without line breaks between them: a watch.
class ValueStream {
 public:
  // Calls `receive` for each value that has become whole. Fails for a stray sign between values and
  // for one that is too large; nothing can be read after that.
  [[nodiscard]] Result<void> feed(std::string_view bytes,
                                  const std::function<void(std::string_view)>& receive);
  // Is a value incomplete?
  [[nodiscard]] bool is_within_value() { return !pending_.empty(); }

 private:
  PendingText pending_;
};

// One object with an array `items`: a list.
class ListStream {
 public:
  struct Receiver {
    std::function<void(std::string_view)> item;
    // Everything beside the items, in the order in which it comes: "metadata", "{…}".
    std::function<void(std::string_view key, std::string_view value)> member;
  };

  // Fails for what is no such object.
  [[nodiscard]] Result<void> feed(std::string_view bytes, const Receiver& receive);
  // The object has ended.
  [[nodiscard]] bool is_complete() const { return phase_ == Phase::end; }

 private:
  enum class Phase : std::uint8_t {
    begin,        // before {
    first_key,    // a key, or } at once
    key,          // after a comma
    colon,        // after a key
    value,        // after a colon
    after_value,  // , or }
    first_item,   // an item, or ] at once
    item,         // after a comma
    after_item,   // , or ]
    end           // after }
  };

  [[nodiscard]] bool step(const Receiver& receive);  // false: nothing more to be done for now
  void take_value(const Receiver& receive, std::string_view value);

  PendingText pending_;
  Phase phase_ = Phase::begin;
  std::string key_;
  std::string_view wrong_;  // what is wrong, once something is
};

}  // namespace proxy::sources::kubernetes
