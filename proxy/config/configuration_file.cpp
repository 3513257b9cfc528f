#include "proxy/config/configuration_file.hpp"

#include "proxy/printable.hpp"
#include "proxy/records/yaml_to_json.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <optional>

namespace proxy::config {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

constexpr std::string_view kApiVersion = "kubeproxy.config.k8s.io/v1alpha1";
constexpr std::string_view kKind = "KubeProxyConfiguration";

// Flags without a field that the file puts out of force all the same.
constexpr std::array<std::string_view, 2> kOverridden{"healthz-port", "metrics-port"};

const ConfigurationField* find_field(std::string_view path) {
  const auto found = std::ranges::find(configuration_fields(), path, &ConfigurationField::path);
  return found == configuration_fields().end() ? nullptr : &*found;
}

bool is_section(std::string_view path) {
  const auto prefix = fmt::format("{}.", path);
  return std::ranges::any_of(configuration_fields(),
                             [&](const auto& field) { return field.path.starts_with(prefix); });
}

// A flag that holds beside the file: how to log, and which node this is.
bool wins_over_file(const ConfigurationField& field) {
  return field.path.starts_with("logging.") || field.path == "hostnameOverride";
}

// ── values ───────────────────────────────────────────────────────────────────────────────────────

// Numbers and booleans as they stand, strings without quotes; nullopt for anything else.
std::optional<std::string> scalar_text(const element& value) {
  switch (value.type()) {
    case element_type::STRING:
      return std::string{value.get_string().value()};
    case element_type::BOOL:
    case element_type::INT64:
    case element_type::UINT64:
    case element_type::DOUBLE:
      return simdjson::minify(value);
    default:
      return std::nullopt;
  }
}

bool has_type(const element& value, const ConfigurationField& field) {
  switch (field.type) {
    case FlagType::boolean:
      return value.is_bool();
    case FlagType::integer:
      return value.is_int64();
    case FlagType::decimal:
      return value.is_number();
    case FlagType::duration:
      // This field alone takes nanoseconds too (k8s.io/component-base TimeOrMetaDuration).
      return value.is_string() || (field.path == "logging.flushFrequency" && value.is_int64());
    case FlagType::quantity:
      return value.is_string() || value.is_number();
    case FlagType::list:
      return value.is_array();
    case FlagType::map:
      return value.is_object();
    default:
      return value.is_string();
  }
}

std::string_view expected(FlagType type) {
  switch (type) {
    case FlagType::boolean:
      return "true or false";
    case FlagType::integer:
      return "a whole number";
    case FlagType::decimal:
      return "a number";
    case FlagType::duration:
      return "a duration such as \"30s\"";
    case FlagType::quantity:
      return "a quantity";
    case FlagType::list:
      return "a list";
    case FlagType::map:
      return "an object";
    default:
      return "a text";
  }
}

// [a, b] as "a,b"; [{filePattern: f, verbosity: 2}] as "f=2".
std::optional<std::string> list_text(const element& value) {
  std::vector<std::string> items;
  for (const auto item : value.get_array()) {
    if (item.is_string()) {
      items.emplace_back(item.get_string().value());
      continue;
    }
    std::string_view pattern;
    std::int64_t verbosity = 0;
    if (item["filePattern"].get(pattern) != simdjson::SUCCESS ||
        item["verbosity"].get(verbosity) != simdjson::SUCCESS) {
      return std::nullopt;
    }
    items.push_back(fmt::format("{}={}", pattern, verbosity));
  }
  return fmt::format("{}", fmt::join(items, ","));
}

std::optional<std::string> map_text(const element& value) {
  std::vector<std::string> items;
  for (const auto& [key, item] : value.get_object()) {
    const auto text = scalar_text(item);
    if (!text) return std::nullopt;
    items.push_back(fmt::format("{}={}", key, *text));
  }
  return fmt::format("{}", fmt::join(items, ","));
}

// The field's value as one would write it for its flag.
Result<std::string> field_text(const element& value, const ConfigurationField& field) {
  std::optional<std::string> text;
  if (has_type(value, field)) {
    text = field.type == FlagType::list  ? list_text(value)
           : field.type == FlagType::map ? map_text(value)
                                         : scalar_text(value);
  }
  if (!text) return invalid(fmt::format("is not {}", expected(field.type)));
  if (field.type == FlagType::duration && value.is_int64()) *text += "ns";
  return *text;
}

bool is_zero(std::string_view text, FlagType type) {
  if (text.empty()) return true;
  switch (type) {
    case FlagType::boolean:
      return text == "false";
    case FlagType::integer:
    case FlagType::decimal:
    case FlagType::quantity:
      return parse_decimal(text) && *parse_decimal(text) == 0;
    case FlagType::duration:
      return parse_duration(text) && *parse_duration(text) == std::chrono::nanoseconds{0};
    default:
      return false;
  }
}

bool is_standard(std::string_view text, const ConfigurationField& field) {
  if (field.type != FlagType::duration) return text == field.standard;
  const auto value = parse_duration(text);
  return value && *value == *parse_duration(field.standard);
}

// ── the file ─────────────────────────────────────────────────────────────────────────────────────

class Reader {
 public:
  Reader(FlagValues& flags, std::string_view file, UnknownFields unknown)
      : flags_{flags}, file_{file}, unknown_{unknown} {}

  Result<std::vector<std::string>> read(const element& root) {
    if (const auto good = check_kind(root); !good) return good.error();
    drop_overridden();
    if (const auto good = section(root, ""); !good) return good.error();
    give_standards();
    return std::move(warnings_);
  }

 private:
  [[nodiscard]] Error error(std::string_view path, std::string_view what) const {
    return invalid(fmt::format("{}: {}: {}", file_, path, what));
  }

  Result<void> check_kind(const element& root) const {
    for (const auto& [key, wanted] :
         {std::pair{"apiVersion", kApiVersion}, std::pair{"kind", kKind}}) {
      std::string_view is;
      if (root[key].get(is) != simdjson::SUCCESS || is != wanted) {
        return error(key, fmt::format("is not {}", wanted));
      }
    }
    return {};
  }

  void drop_overridden() {
    const auto drop = [&](std::string_view flag) {
      if (!flags_.given(flag)) return;
      warnings_.push_back(fmt::format("--{} is overridden by --config", flag));
      flags_.forget(flag);
    };
    for (const auto& field : configuration_fields()) {
      if (!field.flag.empty() && !wins_over_file(field)) drop(field.flag);
    }
    for (const auto flag : kOverridden) drop(flag);
  }

  Result<void> section(const element& object, const std::string& path) {
    for (const auto& [key, value] : object.get_object()) {
      const auto below = path.empty() ? std::string{key} : fmt::format("{}.{}", path, key);
      if (below == "apiVersion" || below == "kind") continue;
      if (const auto good = member(value, below); !good) return good;
    }
    return {};
  }

  Result<void> member(const element& value, const std::string& path) {
    if (const auto* field = find_field(path)) {
      return value.is_null() ? Result<void>{} : take(value, *field);
    }
    if (is_section(path)) {
      if (value.is_null()) return {};
      if (!value.is_object()) return error(path, "is not an object");
      return section(value, path);
    }
    if (unknown_ == UnknownFields::refuse) return error(path, "unknown field");
    warnings_.push_back(fmt::format("{}: {}: unknown field, ignored", file_, path));
    return {};
  }

  Result<void> take(const element& value, const ConfigurationField& field) {
    const auto text = field_text(value, field);
    if (!text) return error(field.path, text.error().context);
    if (field.zero_is_absent && is_zero(*text, field.type)) return {};
    if (field.flag.empty()) {
      if (!is_standard(*text, field)) {
        warnings_.push_back(
            fmt::format("{}: {} has no effect: {}", file_, field.path, field.no_effect));
      }
      return {};
    }
    if (wins_over_file(field) && flags_.given(field.flag)) return {};
    const auto& flag = *find_flag(field.flag);
    if (!flag.no_effect.empty() && is_standard(*text, field)) return {};
    return flags_.give(flag, *text, place(field));
  }

  // Where the file's default is another one than the flag's.
  void give_standards() {
    for (const auto& field : configuration_fields()) {
      if (field.flag.empty() || flags_.given(field.flag) || field.standard.empty()) continue;
      const auto& flag = *find_flag(field.flag);
      if (flag.standard == field.standard || !flag.no_effect.empty()) continue;
      const auto given =
          flags_.give(flag, std::string{field.standard}, fmt::format("{} (default)", place(field)));
      assert(given);
      static_cast<void>(given);
    }
  }

  [[nodiscard]] std::string place(const ConfigurationField& field) const {
    return fmt::format("{}: {}", file_, field.path);
  }

  FlagValues& flags_;
  std::string_view file_;
  UnknownFields unknown_;
  std::vector<std::string> warnings_;
};

// ── writing ──────────────────────────────────────────────────────────────────────────────────────

// A JSON string is a YAML scalar too.
std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < ' ') {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string yaml_list(std::string_view path, std::string_view text) {
  std::vector<std::string> items;
  for (const auto& item : split_list(text)) {
    const auto equals = item.rfind('=');
    items.push_back(path == "logging.vmodule" && equals != std::string::npos
                        ? fmt::format("{{filePattern: {}, verbosity: {}}}",
                                      in_quotes(item.substr(0, equals)), item.substr(equals + 1))
                        : in_quotes(item));
  }
  return fmt::format("[{}]", fmt::join(items, ", "));
}

std::string yaml_map(std::string_view text) {
  std::vector<std::string> items;
  for (const auto& item : split_list(text)) {
    const auto equals = item.find('=');
    items.push_back(
        fmt::format("{}: {}", in_quotes(item.substr(0, equals)), item.substr(equals + 1)));
  }
  return fmt::format("{{{}}}", fmt::join(items, ", "));
}

std::string yaml_value(const ConfigurationField& field, const std::string& text) {
  switch (field.type) {
    case FlagType::boolean:
      return parse_bool(text).value() ? "true" : "false";
    case FlagType::integer:
    case FlagType::decimal:
      return text;
    case FlagType::list:
      return yaml_list(field.path, text);
    case FlagType::map:
      return yaml_map(text);
    default:
      return in_quotes(text);
  }
}

}  // namespace

Result<std::vector<std::string>> read_configuration(FlagValues& flags, std::string_view file,
                                                    std::string_view text, UnknownFields unknown) {
  const auto documents = records::yaml_to_json(text);
  if (!documents) return within(file, documents.error());
  if (documents->size() != 1) {
    return invalid(fmt::format("{}: holds {} documents instead of one", file, documents->size()));
  }
  simdjson::dom::parser parser;
  element root;
  if (const auto failure = parser.parse(documents->front()).get(root);
      failure != simdjson::SUCCESS || !root.is_object()) {
    return invalid(fmt::format("{}: is not an object", file));
  }
  return Reader{flags, file, unknown}.read(root);
}

std::string configuration_text(const FlagValues& flags) {
  std::string out = fmt::format("apiVersion: {}\nkind: {}\n", kApiVersion, kKind);
  std::vector<std::string> open;  // the sections around the last line
  for (const auto& field : configuration_fields()) {
    std::vector<std::string> parts;
    for (auto rest = field.path; !rest.empty();) {
      const auto part = rest.substr(0, rest.find('.'));
      parts.emplace_back(part);
      rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    }
    const auto name = parts.back();
    parts.pop_back();
    const auto common =
        static_cast<std::size_t>(std::ranges::mismatch(parts, open).in1 - parts.begin());
    for (auto depth = common; depth < parts.size(); ++depth) {
      out += fmt::format("{:{}}{}:\n", "", 2 * depth, parts[depth]);
    }
    open = parts;
    const auto text = field.flag.empty() ? std::string{field.standard} : flags.text(field.flag);
    out += fmt::format("{:{}}{}: {}\n", "", 2 * parts.size(), name, yaml_value(field, text));
  }
  return out;
}

std::string configz_text(const FlagValues& flags) {
  const auto fields = records::yaml_to_json(configuration_text(flags));
  std::vector<std::string> ours;
  for (const auto& flag : config::flags()) {
    const bool is_field =
        std::ranges::find(configuration_fields(), flag.name, &ConfigurationField::flag) !=
        configuration_fields().end();
    if (is_field || !flag.belongs_to(Command::run)) continue;
    ours.push_back(
        fmt::format("{}:{}", in_quotes(flag.name), in_quotes(printable(flags.text(flag.name)))));
  }
  return fmt::format(
      "{{\"kubeproxy.config.k8s.io\":{},\"viaduct\":{{{}}}}}",
      fields && fields->size() == 1 ? fields->front() : "null",  // a flag is no UTF-8
      fmt::join(ours, ","));
}

std::vector<EffectiveFlag> effective_flags(const FlagValues& flags) {
  std::vector<EffectiveFlag> all;
  for (const auto& flag : config::flags()) {
    if (!flag.belongs_to(Command::run)) continue;
    const auto place = flags.place(flag.name);
    all.push_back({flag.name, flags.text(flag.name),
                   !flags.given(flag.name)   ? "default"
                   : place.starts_with("--") ? "command line"
                                             : place});
  }
  return all;
}

}  // namespace proxy::config
