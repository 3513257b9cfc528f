// A small cluster for tests of DNS: records in few words, questions and answers as text.
#pragma once

#include "dns/message.hpp"
#include "dns/responder.hpp"
#include "dns/zone_builder.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace dns::testing {

namespace records = proxy::records;

inline IpAddress ip(std::string_view text) {
  return proxy::parse_ip(text).value();
}
inline LowerName name(std::string_view text) {
  const auto parsed = parse_name(text);
  EXPECT_TRUE(parsed) << text;
  return *parsed;
}

inline records::ServicePortSpec port(std::string port_name, std::uint16_t number,
                                     Protocol protocol = Protocol::tcp) {
  return {std::move(port_name), protocol, {number}, {}, proxy::Port{number}};
}

inline records::Service service(std::string space, std::string service_name,
                                std::vector<std::string> ips,
                                std::vector<records::ServicePortSpec> ports = {port("http", 80)}) {
  records::Service made;
  made.name = {std::move(space), std::move(service_name)};
  for (const auto& text : ips) made.cluster_ips.push_back(ip(text));
  made.ports = std::move(ports);
  return made;
}

inline records::Service headless(std::string space, std::string service_name) {
  auto made = service(std::move(space), std::move(service_name), {});
  made.headless = true;
  return made;
}

inline records::Service external(std::string space, std::string service_name, std::string target) {
  auto made = service(std::move(space), std::move(service_name), {});
  made.type = records::ServiceType::external_name;
  made.external_name = std::move(target);
  return made;
}

struct End {
  std::string address;
  std::string hostname{};
  bool ready = true;
  std::string pod{};
};

inline records::SliceEndpoint endpoint(const End& end) {
  records::SliceEndpoint made;
  made.address = ip(end.address);
  made.ready = end.ready;
  if (!end.pod.empty()) made.target_pod = std::make_shared<const std::string>(end.pod);
  if (!end.hostname.empty()) {
    records::EndpointExtras extras;
    extras.hostname = end.hostname;
    made.extras = std::make_unique<const records::EndpointExtras>(std::move(extras));
  }
  return made;
}

inline records::EndpointSlice slice(const records::Service& of, std::string suffix,
                                    std::vector<End> ends,
                                    std::vector<records::SlicePort> ports = {
                                        {"http", Protocol::tcp, proxy::Port{80}}}) {
  records::EndpointSlice made;
  made.name = {of.name.space, of.name.name + "-" + suffix};
  made.service = of.name.name;
  if (!ends.empty()) made.family = ip(ends.front().address).family();
  made.ports = std::move(ports);
  for (const auto& end : ends) made.endpoints.push_back(endpoint(end));
  return made;
}

inline records::Namespace space(std::string space_name) {
  return records::Namespace{.name = {"", std::move(space_name)}};
}

inline records::Pod pod(std::string space_name, std::string pod_name, std::string address) {
  records::Pod made;
  made.name = {std::move(space_name), std::move(pod_name)};
  made.ips.push_back(ip(address));
  return made;
}

// A zone and a responder over it; asks it and reads what it says.
class Cluster {
 public:
  explicit Cluster(ZoneOptions zone_options = {}, ResponderOptions responder_options = {})
      : builder_{with_domain(std::move(zone_options)), [] { return 1'700'000'000u; }},
        responder_{std::move(responder_options)} {}

  void load(std::vector<records::Record> all) { builder_.replace(all); }
  void put(records::Record record) {
    const std::vector<proxy::sources::Change> changes{std::move(record)};
    builder_.change(changes);
  }
  void remove(const records::Record& record) {
    const std::vector<proxy::sources::Change> changes{
        proxy::sources::Removal{records::key_of(record)}};
    builder_.change(changes);
  }

  // The reply as a message; its text is wire form checked by a strict decoder.
  Message ask(std::string_view question, Type type = Type::a, std::uint16_t udp_size = 0) {
    const auto query = make_query(4711, name(question), type, udp_size);
    return ask_bytes(query);
  }
  Message ask_bytes(Bytes query) {
    const auto zone = builder_.snapshot();
    outcome_ = responder_.respond(*zone, query, asking, exchange, reply_);
    if (outcome_.next != Next::send) return {};
    const auto message = decode_message(reply());
    EXPECT_TRUE(message) << message.error();
    return message ? *message : Message{};
  }
  // The answer's records as "owner ttl IN type data", or the rcode if there is none.
  std::vector<std::string> answer(std::string_view question, Type type = Type::a) {
    const auto message = ask(question, type);
    if (outcome_.next == Next::ask_upstream) return {"ask " + exchange.ask.text()};
    if (message.answer.empty()) {
      if (message.rcode != Rcode::no_error) return {std::string{rcode_label(message.rcode)}};
      return {"NODATA"};
    }
    return texts(message.answer);
  }
  static std::vector<std::string> texts(const std::vector<RecordText>& list) {
    std::vector<std::string> lines;
    for (const auto& record : list) lines.push_back(record.text());
    return lines;
  }

  [[nodiscard]] Bytes reply() const { return Bytes{reply_}.first(outcome_.size); }
  [[nodiscard]] Outcome outcome() const { return outcome_; }
  ZoneBuilder& builder() { return builder_; }

  Asking asking{.client = ip("127.0.0.1"), .stream = false, .now = 1'700'000'000, .rotation = 0};
  Exchange exchange;

 private:
  static ZoneOptions with_domain(ZoneOptions options) {
    if (options.domain.label_count() == 0) options.domain = name("cluster.local");
    return options;
  }

  ZoneBuilder builder_;
  Responder responder_;
  Outcome outcome_;
  std::vector<std::uint8_t> reply_ = std::vector<std::uint8_t>(kMaxMessage);
};

}  // namespace dns::testing
