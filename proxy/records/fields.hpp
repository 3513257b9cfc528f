// Reads the fields of one API object straight down and checks once.
//
// The first field that is wrong is remembered in the Reading with its path ("spec.ports[1].port")
// and every read goes on with a default; who started the reading looks at the end whether it
// failed. A field that is null counts as absent, as it does for the API server; a field that comes
// twice is an error (decoders differ in which one they take). Fields that nobody asks for are not
// looked at.
//
#pragma once

#include "proxy/protocol.hpp"
#include "proxy/records/json_parser.hpp"
#include "proxy/records/objects.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace proxy::records::json {

// The way from the root of the object to a value. Each part points to the one around it, which has
// to outlive it: both are locals of the functions that read.
struct Path {
  const Path* outer = nullptr;
  std::string_view key;   // in an object
  std::size_t index = 0;  // in an array, where key is empty

  [[nodiscard]] std::string text() const;  // "spec.ports[1]"; empty for the root
};

// What turned out about the object that is being read.
class Reading {
 public:
  // The object can't be used. Only the first failure is kept.
  void fail(const Path& at, std::string_view what);
  // One value was left out, the rest of the object is good.
  void remark(const Path& at, std::string_view what);

  [[nodiscard]] bool failed() const { return failure_.has_value(); }
  [[nodiscard]] const std::string& failure() const { return *failure_; }  // requires failed()
  [[nodiscard]] std::vector<std::string> take_remarks() { return std::move(remarks_); }

 private:
  std::optional<std::string> failure_;
  std::vector<std::string> remarks_;
};

class Fields;

// One value, expected to be of the type that is asked for; another type is a failure.
class Value {
 public:
  Value(Element element, Path path, Reading& reading)
      : element_{element}, path_{path}, reading_{&reading} {}

  [[nodiscard]] const Path& path() const { return path_; }
  [[nodiscard]] Reading& reading() const { return *reading_; }
  [[nodiscard]] bool is_text() const;

  [[nodiscard]] std::string_view text() const;  // UTF-8, any character
  [[nodiscard]] bool boolean() const;
  // `noun` is what it should have been: "70000 is not a port".
  [[nodiscard]] std::int64_t integer(std::int64_t least, std::int64_t most,
                                     std::string_view noun) const;
  [[nodiscard]] Fields fields() const;
  // The elements of an array; null ones are failures. Point to this value's path.
  [[nodiscard]] std::vector<Value> items() const;
  [[nodiscard]] Labels labels() const;  // an object of strings; null is the empty string

  void fail(std::string_view what) const { reading_->fail(path_, what); }
  void remark(std::string_view what) const { reading_->remark(path_, what); }

 private:
  void expected(std::string_view what) const;

  Element element_;
  Path path_;
  Reading* reading_;
};

// An object. Values it returns point to its path, so that it stays where it is.
class Fields {
 public:
  Fields(std::optional<Element> object, Path path, Reading& reading)
      : object_{object}, path_{path}, reading_{&reading} {}
  Fields(const Fields&) = delete;
  Fields& operator=(const Fields&) = delete;

  [[nodiscard]] Reading& reading() const { return *reading_; }
  [[nodiscard]] const Path& path() const { return path_; }

  void fail(std::string_view key, std::string_view what) const;

  // nullopt if absent or null. `key` has static storage.
  [[nodiscard]] std::optional<Value> operator[](std::string_view key) const;
  // Is the key there, be its value null?
  [[nodiscard]] bool has(std::string_view key) const;
  // No fields if absent or null.
  [[nodiscard]] Fields object(std::string_view key) const;

  // Views into the parsed text; empty if absent.
  [[nodiscard]] std::string_view text(std::string_view key) const;
  [[nodiscard]] std::string_view dns_label(std::string_view key) const;
  [[nodiscard]] std::string_view dns_subdomain(std::string_view key) const;

  [[nodiscard]] bool boolean(std::string_view key, bool when_absent) const;
  [[nodiscard]] Labels labels(std::string_view key) const;
  [[nodiscard]] Port required_port(std::string_view key) const;                 // 1 to 65535
  [[nodiscard]] std::optional<Port> optional_port(std::string_view key) const;  // 0 is absent
  [[nodiscard]] Protocol protocol(std::string_view key) const;                  // absent: TCP

 private:
  [[nodiscard]] Path inner(std::string_view key) const {
    return {.outer = &path_, .key = key, .index = 0};
  }

  std::optional<Element> object_;
  Path path_;
  Reading* reading_;
};

// The addresses (sloppy, see parse_ip) in an array of strings. One that is none is left out with a
// remark, as kube-proxy does; blank ones are left out silently.
[[nodiscard]] std::vector<IpAddress> read_addresses(const Value& list);
[[nodiscard]] std::optional<IpAddress> read_address(const Value& text);

// Likewise for prefixes; blanks around one are dropped, since the API server let them pass.
[[nodiscard]] std::vector<IpPrefix> read_prefixes(const Value& list);
[[nodiscard]] std::optional<IpPrefix> read_prefix(const Value& text);

// Strings of which many objects have the same one (names of nodes), one allocation each.
class SharedTexts {
 public:
  [[nodiscard]] SharedText get(std::string_view text);  // null for the empty string

 private:
  void forget_unused();

  std::unordered_map<std::string_view, SharedText> texts_;  // keys view into the values
  std::size_t sweep_at_ = 1024;  // entries; then those that nobody else holds go
};

}  // namespace proxy::records::json
