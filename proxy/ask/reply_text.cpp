#include "proxy/ask/ask.hpp"
#include "proxy/printable.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

namespace proxy::ask {
namespace {

using simdjson::dom::element;

// A member as one word for people: texts as they are, numbers and booleans as in JSON, "" if there
// is none.
std::string word(const element& object, std::string_view name) {
  element member;
  if (object[name].get(member) != simdjson::SUCCESS) return {};
  std::string_view text;
  if (member.get(text) == simdjson::SUCCESS) return printable(text);
  if (member.is_object() || member.is_array() || member.is_null()) return {};
  return simdjson::minify(member);
}

// The member that is an object; absent if there is none.
std::optional<element> section(const element& object, std::string_view name) {
  element member;
  if (object[name].get(member) != simdjson::SUCCESS || !member.is_object()) return std::nullopt;
  return member;
}

std::vector<element> items(const element& object, std::string_view name) {
  std::vector<element> out;
  simdjson::dom::array array;
  if (object[name].get(array) == simdjson::SUCCESS) out.assign(array.begin(), array.end());
  return out;
}

class Lines {
 public:
  // "name   value"; a name that is empty goes on with the one before. No line for no value.
  void put(std::string_view name, std::string_view value) {
    if (!value.empty()) text_ += fmt::format("{:<18}{}\n", name, value);
  }
  // The first value beside the name, the others below.
  void put_all(std::string_view name, const std::vector<std::string>& values) {
    for (const auto& value : values) put(std::exchange(name, ""), value);
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

std::vector<std::string> texts(const element& object, std::string_view name) {
  std::vector<std::string> out;
  for (const auto& item : items(object, name)) {
    std::string_view text;
    if (item.get(text) == simdjson::SUCCESS) out.push_back(printable(text));
  }
  return out;
}

std::string explanation_text(const element& reply) {
  Lines lines;
  const auto from = word(reply, "from");
  lines.put("packet", fmt::format("{} to {}{}{}", word(reply, "protocol"), word(reply, "to"),
                                  from.empty() ? "" : " from ", from));
  lines.put("fate", word(reply, "fate"));
  if (const auto service = word(reply, "service"); !service.empty()) {
    lines.put("service", fmt::format("{} ({})", service, word(reply, "by")));
  }
  lines.put("not in force", word(reply, "setAside"));
  lines.put_all("because", texts(reply, "because"));
  std::vector<std::string> endpoints;
  for (const auto& endpoint : items(reply, "endpoints")) {
    const auto sees = word(endpoint, "sees");
    endpoints.push_back(fmt::format("{}{}", word(endpoint, "address"),
                                    sees == "client" ? "  sees the client's address"
                                    : sees == "node" ? "  sees the node's address"
                                                     : ""));
  }
  lines.put_all("one of", endpoints);
  lines.put_all(fmt::format("in {} mode", word(reply, "mode")), texts(reply, "places"));
  return lines.take();
}

// "10.244.0.2:80, 10.244.1.2:80 and 7 more"
std::string endpoint_list(const element& row) {
  constexpr std::size_t kShown = 3;
  const auto endpoints = items(row, "endpoints");
  std::string out;
  for (std::size_t i = 0; i < std::min(endpoints.size(), kShown); ++i) {
    out += (out.empty() ? "" : ", ") + word(endpoints[i], "address");
    if (word(endpoints[i], "use") == "none") out += " (not used)";
  }
  std::int64_t count = 0;
  if (row["endpointCount"].get(count) != simdjson::SUCCESS) return out;
  if (count == 0) return "none";
  const auto more = count - static_cast<std::int64_t>(std::min(endpoints.size(), kShown));
  return more > 0 ? fmt::format("{} and {} more", out, more) : out;
}

// "120", "120 (2 refused)"; "-" where it is not known.
std::string connections_text(const std::optional<element>& traffic) {
  const auto begun = traffic ? word(*traffic, "connections") : std::string{};
  if (begun.empty()) return "-";
  const auto refused = word(*traffic, "refused");
  return refused.empty() || refused == "0" ? begun : fmt::format("{} ({} refused)", begun, refused);
}

// "512 B", "3.4 MB"; "-" where it is not known.
std::string bytes_text(const std::optional<element>& traffic, std::string_view name) {
  double bytes = 0;
  if (!traffic || (*traffic)[name].get(bytes) != simdjson::SUCCESS) return "-";
  if (bytes < 1000) return fmt::format("{:.0f} B", bytes);
  constexpr std::array kUnits{"kB", "MB", "GB", "TB", "PB", "EB"};
  std::size_t unit = 0;
  for (bytes /= 1000; bytes >= 999.95 && unit + 1 < kUnits.size(); bytes /= 1000) ++unit;
  return fmt::format("{:.1f} {}", bytes, kUnits.at(unit));
}

// The services as a table, a line for each VIP; nothing if the reply has none.
std::string services_text(const element& reply) {
  const auto services = section(reply, "services");
  if (!services) return {};
  using Row = std::array<std::string, 8>;
  std::vector<Row> rows{
      {"SERVICE PORT", "PROTOCOL", "VIP", "STATE", "CONNECTIONS", "IN", "OUT", "ENDPOINTS"}};
  const auto found = items(*services, "rows");
  for (const auto& row : found) {
    const auto traffic = section(row, "traffic");
    Row line{word(row, "name"),
             word(row, "protocol"),
             "",
             word(row, "state"),
             connections_text(traffic),
             bytes_text(traffic, "bytesIn"),
             bytes_text(traffic, "bytesOut"),
             endpoint_list(row)};
    for (const auto& vip : items(row, "vips")) {
      const bool node_port = word(vip, "role") == "node port";
      line[2] = (node_port ? word(row, "family") + " node port " : "") + word(vip, "address");
      rows.push_back(std::exchange(line, Row{}));
    }
  }
  std::array<std::size_t, std::tuple_size_v<Row> - 1> widths{};
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out = "\n";
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < widths.size(); ++i)
      out += fmt::format("{:<{}}  ", row[i], widths[i]);
    out += row.back() + "\n";
  }
  const auto matching = word(*services, "matching");
  if (matching != std::to_string(found.size())) {
    out += fmt::format("{} of {} service ports; name a part of those to be shown, or use --limit\n",
                       found.size(), matching);
  }
  return rows.size() == 1 ? std::string{} : out;
}

std::string status_text(const element& reply) {
  Lines lines;
  const auto counts = section(reply, "counts");
  const auto count = [&](std::string_view name) {
    return counts ? word(*counts, name) : std::string{};
  };
  lines.put("viaduct",
            fmt::format("{}, mode {}, node {}, up {} s", word(reply, "version"),
                        word(reply, "mode"), word(reply, "node"), word(reply, "uptimeSeconds")));
  lines.put("healthy", word(reply, "healthy"));
  lines.put("synced", word(reply, "synced"));
  lines.put("forwards", fmt::format("{} service ports with {} endpoints", count("servicePorts"),
                                    count("endpoints")));
  if (const auto last = section(reply, "lastSync")) {
    lines.put("last sync",
              fmt::format("{}, {}: {} operations in {} transactions, {} s", word(*last, "at"),
                          word(*last, "cause"), word(*last, "operations"),
                          word(*last, "transactions"), word(*last, "durationSeconds")));
  }
  if (const auto failure = section(reply, "failure")) {
    lines.put("failing", fmt::format("{}, {} times in a row", word(*failure, "error"),
                                     word(*failure, "inARow")));
  }
  lines.put("repairs", count("outsideChanges"));
  std::vector<std::string> listening;
  if (const auto servers = section(reply, "listening")) {
    for (const auto& [name, address] : servers->get_object()) {
      listening.push_back(fmt::format("{} at {}", printable(name), word(*servers, name)));
    }
  }
  lines.put_all("listens", listening);
  std::vector<std::string> set_aside;
  for (const auto& item : items(reply, "setAside")) {
    set_aside.push_back(fmt::format("{} {} {}: {}", word(item, "servicePort"),
                                    word(item, "protocol"), word(item, "family"),
                                    word(item, "reason")));
  }
  lines.put_all("not in force", set_aside);
  for (const auto* kind : {"problems", "remarks"}) {
    std::vector<std::string> found;
    for (const auto& item : items(reply, kind)) {
      found.push_back(fmt::format("{}: {}", word(item, "where"), word(item, "what")));
    }
    lines.put_all(kind, found);
  }
  return lines.take() + services_text(reply);
}

// Names and values are of letters, digits and what addresses and URLs hold: nothing to quote.
std::string environment_text(const element& variables, Form form) {
  std::size_t width = 0;
  if (form == Form::table) {
    for (const auto& [name, value] : variables.get_object()) width = std::max(width, name.size());
  }
  std::string out;
  for (const auto& [name, value] : variables.get_object()) {
    const auto shown = printable(name);
    out += form == Form::table ? fmt::format("{:<{}}  {}\n", shown, width, word(variables, name))
                               : fmt::format("{}={}\n", shown, word(variables, name));
  }
  return out;
}

// A DNS reply, which comes as the lines that dig would print.
std::string answer_text(const element& root) {
  std::string out;
  for (const auto& line : texts(root, "answer")) out += line + "\n";
  return out;
}

}  // namespace

Result<std::string> reply_text(std::string_view reply, Form form) {
  simdjson::dom::parser parser;
  element root;
  if (parser.parse(reply.data(), reply.size()).get(root) != simdjson::SUCCESS ||
      !root.is_object()) {
    return invalid("the daemon's reply is no JSON object");
  }
  if (const auto error = word(root, "error"); !error.empty()) return invalid(error);
  if (const auto variables = section(root, "variables")) return environment_text(*variables, form);
  if (form == Form::dotenv) return invalid("--output: only env has the form dotenv");
  if (root["answer"].error() == simdjson::SUCCESS) return answer_text(root);
  return root["fate"].error() == simdjson::SUCCESS ? explanation_text(root) : status_text(root);
}

}  // namespace proxy::ask
