#include "proxy/records/fields.hpp"

#include "proxy/records/names.hpp"

#include <simdjson.h>

#include <bit>
#include <limits>

namespace proxy::records::json {
namespace {

namespace dom = simdjson::dom;

dom::element element_of(Element node) {
  return std::bit_cast<dom::element>(node);
}
Element opaque(dom::element element) {
  return std::bit_cast<Element>(element);
}

// Requires an object. A copy, since value_unsafe() refers into the temporary result.
dom::object object_of(Element element) {
  return element_of(element).get_object().value_unsafe();
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n\v\f";
  const auto first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::string_view type_name(dom::element element) {
  switch (element.type()) {
    case dom::element_type::ARRAY:
      return "an array";
    case dom::element_type::OBJECT:
      return "an object";
    case dom::element_type::STRING:
      return "a string";
    case dom::element_type::BOOL:
      return "true or false";
    case dom::element_type::NULL_VALUE:
      return "null";
    default:
      return "a number";
  }
}

std::string described(std::string_view what, std::string_view value) {
  return in_quotes(value) + " is not " + std::string{what};
}

}  // namespace

std::string Path::text() const {
  if (outer == nullptr) return {};
  auto before = outer->text();
  if (key.empty()) return before + "[" + std::to_string(index) + "]";
  // Keys with dots of their own (labels) would read like several keys.
  if (key.find('.') != std::string_view::npos) return before + "[" + in_quotes(key) + "]";
  return before.empty() ? std::string{key} : before + "." + std::string{key};
}

void Reading::fail(const Path& at, std::string_view what) {
  if (failed()) return;
  const auto where = at.text();
  failure_ = where.empty() ? std::string{what} : where + ": " + std::string{what};
}

void Reading::remark(const Path& at, std::string_view what) {
  remarks_.push_back(at.text() + ": " + std::string{what} + "; left out");
}

// ── Value ───────────────────────────────────────────────────────────────────────────────────────

void Value::expected(std::string_view what) const {
  fail("expected " + std::string{what} + ", not " + std::string{type_name(element_of(element_))});
}

bool Value::is_text() const {
  return element_of(element_).is_string();
}

std::string_view Value::text() const {
  std::string_view text;
  if (element_of(element_).get(text) != simdjson::SUCCESS) expected("a string");
  return text;
}

bool Value::boolean() const {
  bool value = false;
  if (element_of(element_).get(value) != simdjson::SUCCESS) expected("true or false");
  return value;
}

std::int64_t Value::integer(std::int64_t least, std::int64_t most, std::string_view noun) const {
  const auto element = element_of(element_);
  if (element.is_uint64() && !element.is_int64()) {
    fail(std::to_string(element.get_uint64().value_unsafe()) + " is not " + std::string{noun});
    return least;
  }
  std::int64_t value = least;
  if (element.get(value) != simdjson::SUCCESS) {
    expected(noun);
    return least;
  }
  if (value >= least && value <= most) return value;
  fail(std::to_string(value) + " is not " + std::string{noun});
  return least;
}

Fields Value::fields() const {
  if (element_of(element_).is_object()) return {element_, path_, *reading_};
  expected("an object");
  return {std::nullopt, path_, *reading_};
}

std::vector<Value> Value::items() const {
  dom::array array;
  if (element_of(element_).get(array) != simdjson::SUCCESS) {
    expected("an array");
    return {};
  }
  std::vector<Value> found;
  found.reserve(array.size());
  for (const dom::element element : array) {
    found.emplace_back(opaque(element), Path{.outer = &path_, .key = {}, .index = found.size()},
                       *reading_);
  }
  return found;
}

Labels Value::labels() const {
  Labels labels;
  dom::object object;
  if (element_of(element_).get(object) != simdjson::SUCCESS) {
    expected("an object");
    return labels;
  }
  for (const auto [key, element] : object) {
    const Value value{opaque(element), Path{.outer = &path_, .key = key, .index = 0}, *reading_};
    const auto text = element.is_null() ? std::string_view{} : value.text();
    if (!labels.emplace(key, text).second) value.fail("comes twice");
  }
  return labels;
}

// ── Fields ──────────────────────────────────────────────────────────────────────────────────────

void Fields::fail(std::string_view key, std::string_view what) const {
  reading_->fail(inner(key), what);
}

std::optional<Value> Fields::operator[](std::string_view key) const {
  if (!object_) return std::nullopt;
  std::optional<dom::element> found;
  for (const auto [name, element] : object_of(*object_)) {
    if (name != key) continue;
    if (found) fail(key, "comes twice");
    found = element;
  }
  if (!found || found->is_null()) return std::nullopt;
  return Value{opaque(*found), inner(key), *reading_};
}

bool Fields::has(std::string_view key) const {
  if (!object_) return false;
  for (const auto [name, element] : object_of(*object_)) {
    if (name == key) return true;
  }
  return false;
}

Fields Fields::object(std::string_view key) const {
  const auto value = (*this)[key];
  if (!value) return {std::nullopt, inner(key), *reading_};
  return value->fields();
}

std::string_view Fields::text(std::string_view key) const {
  const auto value = (*this)[key];
  return value ? value->text() : std::string_view{};
}

bool Fields::boolean(std::string_view key, bool when_absent) const {
  const auto value = (*this)[key];
  return value ? value->boolean() : when_absent;
}

Labels Fields::labels(std::string_view key) const {
  const auto value = (*this)[key];
  return value ? value->labels() : Labels{};
}

Port Fields::required_port(std::string_view key) const {
  const auto value = (*this)[key];
  if (!value) {
    fail(key, "is missing");
    return {};
  }
  return Port{static_cast<std::uint16_t>(value->integer(1, 65535, "a port"))};
}

std::optional<Port> Fields::optional_port(std::string_view key) const {
  const auto value = (*this)[key];
  if (!value) return std::nullopt;
  const auto number = value->integer(0, 65535, "a port");
  if (number == 0) return std::nullopt;
  return Port{static_cast<std::uint16_t>(number)};
}

Protocol Fields::protocol(std::string_view key) const {
  const auto value = (*this)[key];
  if (!value) return Protocol::tcp;
  const auto name = value->text();
  if (name.empty()) return Protocol::tcp;
  const auto protocol = parse_protocol(name);
  if (!protocol) value->fail(described("a protocol (TCP, UDP, SCTP)", name));
  return protocol.value_or(Protocol::tcp);
}

std::string_view Fields::dns_label(std::string_view key) const {
  const auto value = (*this)[key];
  if (!value) return {};
  const auto name = value->text();
  if (!name.empty() && !is_dns_label(name)) value->fail(described("a DNS label", name));
  return name;
}

std::string_view Fields::dns_subdomain(std::string_view key) const {
  const auto value = (*this)[key];
  if (!value) return {};
  const auto name = value->text();
  if (!name.empty() && !is_dns_subdomain(name)) value->fail(described("a DNS name", name));
  return name;
}

// ── addresses ───────────────────────────────────────────────────────────────────────────────────

std::optional<IpAddress> read_address(const Value& value) {
  const auto text = value.text();
  if (trimmed(text).empty()) return std::nullopt;
  const auto address = parse_ip(text);
  if (address) return *address;
  value.remark(described("an IP address", text));
  return std::nullopt;
}

std::vector<IpAddress> read_addresses(const Value& list) {
  std::vector<IpAddress> addresses;
  for (const auto& item : list.items()) {
    if (const auto address = read_address(item)) addresses.push_back(*address);
  }
  return addresses;
}

std::optional<IpPrefix> read_prefix(const Value& value) {
  const auto text = trimmed(value.text());
  if (text.empty()) return std::nullopt;
  const auto prefix = parse_prefix(text);
  if (prefix) return *prefix;
  value.remark(described("a CIDR (address/bits)", text));
  return std::nullopt;
}

std::vector<IpPrefix> read_prefixes(const Value& list) {
  std::vector<IpPrefix> prefixes;
  for (const auto& item : list.items()) {
    if (const auto prefix = read_prefix(item)) prefixes.push_back(*prefix);
  }
  return prefixes;
}

// ── shared texts ────────────────────────────────────────────────────────────────────────────────

SharedText SharedTexts::get(std::string_view text) {
  if (text.empty()) return nullptr;
  if (const auto known = texts_.find(text); known != texts_.end()) return known->second;
  if (texts_.size() >= sweep_at_) forget_unused();
  auto shared = std::make_shared<const std::string>(text);
  texts_.emplace(*shared, shared);
  return shared;
}

void SharedTexts::forget_unused() {
  std::erase_if(texts_, [](const auto& entry) { return entry.second.use_count() == 1; });
  sweep_at_ = std::max<std::size_t>(1024, 2 * texts_.size());
}

}  // namespace proxy::records::json
