#include "tests/modes/netfilter/conntrack_cases.hpp"

#include "modes/netfilter/conntrack_ledger.hpp"
#include "proxy/records/decode.hpp"
#include "tests/netns/scenario.hpp"

#include <yaml-cpp/yaml.h>

#include <stdexcept>

namespace modes::netfilter::testing {
namespace {

Endpoint endpoint_of(const YAML::Node& entry, const char* address, const char* port) {
  return {netns::address(entry[address].as<std::string>()), Port{entry[port].as<std::uint16_t>()}};
}

ConntrackCase parse_case(const YAML::Node& table) {
  ConntrackCase parsed;
  parsed.name = table["name"].as<std::string>();
  proxy::records::Decoder decoder;
  for (const auto& object : table["objects"]) {
    auto outcome = decoder.decode_object(netns::parse_object(object).json);
    auto* decoded = std::get_if<proxy::records::Decoded>(&outcome);
    if (!decoded) throw std::runtime_error{parsed.name + ": an object does not decode"};
    parsed.objects.push_back(std::move(decoded->record));
  }
  for (const auto& entry : table["entries"]) {
    parsed.entries.push_back(
        {.protocol = proxy::parse_protocol(entry["protocol"].as<std::string>()).value(),
         .original_destination = endpoint_of(entry, "originalDst", "originalDport"),
         .reply_source = endpoint_of(entry, "replySrc", "replySport"),
         .kept = entry["kept"].as<bool>()});
  }
  return parsed;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const ConntrackEntry& entry) {
  return out << upper_name(entry.protocol) << " to " << entry.original_destination
             << ", answered by " << entry.reply_source;
}

std::vector<ConntrackCase> conntrack_cases() {
  std::vector<ConntrackCase> cases;
  for (const auto& table : YAML::LoadFile(VIADUCT_CONFORMANCE "/conntrack.yaml")["tables"]) {
    if (table["entries"]) cases.push_back(parse_case(table));
  }
  return cases;
}

std::vector<ConntrackRule> rules_at_start(const std::vector<proxy::records::Record>& objects) {
  proxy::state::ServiceTable table{{"node-a"}};
  table.replace(objects);
  ConntrackLedger ledger;
  ledger.note_all(table);
  ledger.written();
  return ledger.take();
}

}  // namespace modes::netfilter::testing
