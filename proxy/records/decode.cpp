#include "proxy/records/decode.hpp"

#include "proxy/records/json_text.hpp"
#include "proxy/records/kinds.hpp"
#include "proxy/records/names.hpp"

#include <algorithm>
#include <array>

namespace proxy::records {
namespace {

using json::Fields;
using json::ObjectSource;

constexpr int kDeepestList = 4;  // lists within lists

// ── kinds ───────────────────────────────────────────────────────────────────────────────────────

struct KindReader {
  std::string_view group;  // of the apiVersion: group/version, or version alone for the core group
  std::array<std::string_view, 2> versions;
  Kind kind;
  bool namespaced;
  bool label_name;  // its name is one DNS label, not several
  Record (*read)(const ObjectSource& source);
};

template <auto Read>
Record read_as(const ObjectSource& source) {
  return Read(source);
}
Namespace read_namespace(const ObjectSource&) {
  return {};  // only that it exists matters
}

constexpr std::array kReaders{
    KindReader{"", {"v1"}, Kind::service, true, true, read_as<json::read_service>},
    KindReader{"discovery.k8s.io",
               {"v1"},
               Kind::endpoint_slice,
               true,
               false,
               read_as<json::read_endpoint_slice>},
    KindReader{"", {"v1"}, Kind::endpoints, true, false, read_as<json::read_endpoints>},
    KindReader{"", {"v1"}, Kind::node, false, false, read_as<json::read_node>},
    KindReader{"", {"v1"}, Kind::name_space, false, true, read_as<read_namespace>},
    KindReader{"networking.k8s.io",
               {"v1", "v1beta1"},
               Kind::service_cidr,
               false,
               false,
               read_as<json::read_service_cidr>},
    KindReader{"", {"v1"}, Kind::pod, true, false, read_as<json::read_pod>},
};

struct GroupVersion {
  std::string_view group, version;
};
GroupVersion split(std::string_view api_version) {
  const auto slash = api_version.find('/');
  if (slash == std::string_view::npos) return {"", api_version};
  return {api_version.substr(0, slash), api_version.substr(slash + 1)};
}

// By group and kind: a Service of serving.knative.dev is another thing.
const KindReader* find_reader(std::string_view group, std::string_view kind) {
  for (const auto& reader : kReaders) {
    if (reader.group == group && to_string(reader.kind) == kind) return &reader;
  }
  return nullptr;
}

// ── lists ───────────────────────────────────────────────────────────────────────────────────────

constexpr std::string_view kListSuffix = "List";

// What can be seen of an object without parsing it. Views into its text.
struct Envelope {
  std::string_view api_version, kind;
  std::string_view items;  // the array; empty if there is none

  [[nodiscard]] bool is_list() const {
    return kind.ends_with(kListSuffix) && items.starts_with('[');
  }
  // What its items are if they don't say so; a plain List has no say. Requires is_list().
  [[nodiscard]] TypeHint item_type() const {
    const auto item_kind = kind.substr(0, kind.size() - kListSuffix.size());
    if (item_kind.empty()) return {};
    return {.api_version = api_version, .kind = item_kind};
  }
};

std::string_view unquoted(std::string_view text) {
  return text.size() >= 2 && text.front() == '"' ? text.substr(1, text.size() - 2)
                                                 : std::string_view{};
}

Result<Envelope> look_at(std::string_view object) {
  const auto members = json::members(object);
  if (!members) return members.error();
  Envelope envelope;
  for (const auto& [key, value] : *members) {
    if (key == "apiVersion") envelope.api_version = unquoted(value);
    if (key == "kind") envelope.kind = unquoted(value);
    if (key != "items") continue;
    if (!envelope.items.empty()) return invalid("items: comes twice");
    envelope.items = value;
  }
  return envelope;
}

}  // namespace

// ── one object ──────────────────────────────────────────────────────────────────────────────────

std::string Skipped::text() const {
  return api_version + " " + kind + " " + name.text();
}

struct Decoder::Impl {
  json::Parser parser;
  json::SharedTexts shared;

  void decode_value(std::string_view json, int depth, const std::function<void(Outcome)>& receive);
  void decode_items(const Envelope& list, int depth, const std::function<void(Outcome)>& receive);
  Outcome decode_one(std::string_view json, TypeHint hint);
};

namespace {

Rejected rejected(std::string_view what, Error error) {
  return {.key = std::nullopt, .error = what.empty() ? std::move(error) : within(what, error)};
}

// "Service shop/web" for messages, whatever the names look like.
std::string title(std::string_view kind, const ObjectName& name) {
  const auto shown = [](const std::string& part) {
    return is_dns_subdomain(part) ? part : in_quotes(part);
  };
  if (name.space.empty()) return std::string{kind} + " " + shown(name.name);
  return std::string{kind} + " " + shown(name.space) + "/" + shown(name.name);
}

// Checked name; the namespace is "default" where a kind has one and none is given.
ObjectName read_name(const Fields& metadata, const KindReader& reader) {
  ObjectName name;
  name.name = reader.label_name ? metadata.dns_label("name") : metadata.dns_subdomain("name");
  if (name.name.empty()) metadata.fail("name", "is missing");
  if (reader.namespaced) {
    name.space = metadata.dns_label("namespace");
    if (name.space.empty()) name.space = "default";
  }
  return name;
}

void set_name(Record& record, ObjectName name) {
  std::visit([&](auto& object) { object.name = std::move(name); }, record);
}

}  // namespace

Outcome Decoder::Impl::decode_one(std::string_view json, TypeHint hint) {
  const auto root = parser.parse(json);
  if (!root) return rejected({}, root.error());
  json::Reading reading;
  const Fields object{*root, {}, reading};
  const auto failure = [&] { return invalid(reading.failure()); };

  const auto kind = object["kind"] ? object.text("kind") : hint.kind;
  const auto api_version = object["apiVersion"] ? object.text("apiVersion") : hint.api_version;
  if (kind.empty()) reading.fail({}, "kind: is missing");
  if (api_version.empty()) reading.fail({}, "apiVersion: is missing");
  if (reading.failed()) return rejected({}, failure());

  const auto [group, version] = split(api_version);
  const auto* reader = find_reader(group, kind);
  const auto metadata = object.object("metadata");
  const auto skipped = [&] {
    return Skipped{.api_version = std::string{api_version},
                   .kind = std::string{kind},
                   .name = {.space = std::string{metadata.text("namespace")},
                            .name = std::string{metadata.text("name")}}};
  };
  if (reader == nullptr) return skipped();

  auto name = read_name(metadata, *reader);
  if (reading.failed()) return rejected(title(kind, name), failure());
  if (version.empty() || std::ranges::find(reader->versions, version) == reader->versions.end()) {
    reading.fail({}, "apiVersion: " + in_quotes(api_version) + " is not supported, only " +
                         std::string{group} + (group.empty() ? "" : "/") +
                         std::string{reader->versions.front()});
  }
  if (reader->kind == Kind::endpoint_slice && json::is_fqdn_slice(object)) return skipped();

  Decoded decoded{.record = reader->read({object, metadata, shared}),
                  .resource_version = std::string{metadata.text("resourceVersion")},
                  .fingerprint = std::hash<std::string_view>{}(json),
                  .remarks = {}};
  if (reading.failed()) {
    auto error = within(title(kind, name), failure());
    return Rejected{.key = RecordKey{reader->kind, std::move(name)}, .error = std::move(error)};
  }
  decoded.remarks = reading.take_remarks();
  for (auto& remark : decoded.remarks) remark = title(kind, name) + ": " + remark;
  set_name(decoded.record, std::move(name));
  return decoded;
}

// Looks before it parses: a list is cut up instead.
void Decoder::Impl::decode_value(std::string_view json, int depth,
                                 const std::function<void(Outcome)>& receive) {
  const auto envelope = look_at(json);
  if (!envelope) return receive(rejected({}, envelope.error()));
  if (!envelope->is_list()) return receive(decode_one(json, {}));
  if (depth == kDeepestList) return receive(rejected({}, invalid("too many lists in lists")));
  decode_items(*envelope, depth, receive);
}

// Parses before it looks: an item is hardly ever a list.
void Decoder::Impl::decode_items(const Envelope& list, int depth,
                                 const std::function<void(Outcome)>& receive) {
  const auto items = json::elements(list.items);
  if (!items) return receive(rejected("items", items.error()));
  for (std::size_t i = 0; i < items->size(); ++i) {
    const auto item = (*items)[i];
    auto outcome = decode_one(item, list.item_type());
    const auto* skipped = std::get_if<Skipped>(&outcome);
    if (skipped != nullptr && skipped->kind.ends_with(kListSuffix)) {
      decode_value(item, depth + 1, receive);
      continue;
    }
    auto* nameless = std::get_if<Rejected>(&outcome);
    if (nameless != nullptr && !nameless->key) {
      nameless->error = within("items[" + std::to_string(i) + "]", std::move(nameless->error));
    }
    receive(std::move(outcome));
  }
}

// ── Decoder ─────────────────────────────────────────────────────────────────────────────────────

Decoder::Decoder() : impl_{std::make_unique<Impl>()} {}
Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;

void Decoder::decode(std::string_view json, const std::function<void(Outcome)>& receive) {
  const auto values = json::values(json);
  if (!values) return receive(rejected({}, values.error()));
  for (const auto value : *values) impl_->decode_value(value, 0, receive);
}

Outcome Decoder::decode_object(std::string_view json, TypeHint hint) {
  return impl_->decode_one(json, hint);
}

}  // namespace proxy::records
