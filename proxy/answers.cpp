#include "proxy/answers.hpp"

#include "proxy/explain/document.hpp"
#include "proxy/host/process.hpp"
#include "proxy/status/process_figures.hpp"
#include "proxy/status/status_document.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

namespace proxy {

Answers::Answers(Parts parts)
    : parts_{std::move(parts)},
      traffic_{parts_.executor, [this](auto names) { return read_traffic(*this, names); },
               std::chrono::steady_clock::now} {}

status::AdminCommands Answers::admin_commands() {
  using status::at_once;
  return {{"status",
           [this](const auto& asked, auto reply) {
             status(status::service_query_of_request(asked.json), std::move(reply));
           }},
          {"explain", at_once([this](const auto& asked) { return explanation(asked); })},
          {"env", at_once([this](const auto& asked) { return environment(asked); })},
          {"dns", at_once([this](const auto&) { return dns(); })},
          {"query", [this](const auto& asked, auto reply) { query(asked, std::move(reply)); }}};
}

std::string Answers::metrics() const {
  status::MomentaryFigures now;
  if (parts_.config.mode == config::ProxyMode::ipvs) {
    now.no_local_endpoints = status::NoLocalEndpoints{status::NoLocalEndpoints::Unit::service};
  }
  now.service_ports = parts_.table.size();
  now.endpoints = parts_.table.endpoint_count();
  now.set_aside = parts_.reporter.set_aside().all().size();
  now.record_problems = parts_.intake.current_problems().size();
  if (parts_.mode) now.mode = parts_.mode->figures();
  now.process = status::process_figures();
  parts_.table.for_each([&](const state::ServicePortName& name, const state::ServicePort& port) {
    now.no_local_endpoints.add(name, port);
  });
  auto text = parts_.metrics.text(now);
  if (parts_.names) text += parts_.names->metrics();
  return text;
}

std::string Answers::dns() const {
  if (!parts_.names) return status::admin_error("dns: no DNS server, see --dns-bind-address");
  std::vector<std::string> addresses;
  for (const auto& address : parts_.names->listening()) {
    addresses.push_back(fmt::format("\"{}\"", address));
  }
  return fmt::format(R"({{"ready":{},"listening":[{}]}})", parts_.names->ready(),
                     fmt::join(addresses, ","));
}

void Answers::query(const status::AdminRequest& request, status::AdminReply reply) {
  if (!parts_.names)
    return reply(status::admin_error("query: no DNS server, see --dns-bind-address"));
  const auto question = status::dns_question_from(request.json);
  if (!question) return reply(status::admin_error(question.error().context));
  parts_.names->query(question->name, question->type,
                      [this, reply = std::move(reply)](Result<std::string> answer) {
                        boost::asio::post(parts_.executor, [reply, answer = std::move(answer)] {
                          reply(answer ? status::dns_answer(*answer)
                                       : status::admin_error("query: " + answer.error().text()));
                        });
                      });
}

std::string Answers::environment(const status::AdminRequest& request) const {
  const auto name_space = environment::namespace_from(request.json);
  if (!name_space) return status::admin_error(name_space.error().context);
  if (!parts_.records_are_complete)
    return status::admin_error("env: not all records are known yet");
  return environment::environment_document(*name_space, parts_.environment.variables(*name_space));
}

explain::NodeView Answers::node_view() const {
  const bool by_ipvs = parts_.config.mode == config::ProxyMode::ipvs;
  const bool by_userspace = parts_.config.mode == config::ProxyMode::userspace;
  explain::NodeView view{
      .addresses = host::local_addresses(),
      .primary_ips = parts_.table.primary_ips(),
      .pod_cidrs = {},
      .detect_local = parts_.config.detect_local,
      .node_port_addresses = parts_.config.node_port_addresses,
      .masquerade_all = parts_.config.masquerade_all,
      .node_ports_on_loopback_v4 = parts_.config.localhost_node_ports && !by_ipvs,
      .node_ports_on_loopback_v6 = parts_.config.localhost_node_ports && by_userspace &&
                                   parts_.config.node_port_addresses.loopback_v6,
      .by_ipvs = by_ipvs};
  if (const auto* node = parts_.table.node()) view.pod_cidrs = node->pod_cidrs;
  return view;
}

std::string Answers::explanation(const status::AdminRequest& request) const {
  const auto question = explain::question_from(request.json);
  if (!question) return status::admin_error(question.error().context);
  if (parts_.config.mode == config::ProxyMode::none)
    return status::admin_error("explain: the mode none forwards nothing");
  const auto explanation = explain::explain(parts_.table, node_view(), *question);
  explain::Circumstances circumstances{
      .mode = std::string{to_string(parts_.config.mode)}, .places = {}, .set_aside = {}};
  if (explanation.service) {
    if (parts_.mode) circumstances.places = parts_.mode->places(*explanation.service);
    const auto& set_aside = parts_.reporter.set_aside().all();
    if (const auto found = set_aside.find(*explanation.service); found != set_aside.end()) {
      circumstances.set_aside = found->second;
    }
  }
  return explain::explanation_document(*question, explanation, circumstances);
}

// There is no mode before the start has come so far.
modes::Awaitable<std::vector<modes::Traffic>> Answers::read_traffic(
    Answers& self, std::span<const state::ServicePortName> names) {
  if (!self.parts_.mode) co_return std::vector<modes::Traffic>{};
  co_return co_await self.parts_.mode->traffic(names);
}

void Answers::status(status::ServiceQuery services, std::function<void(std::string)> reply) {
  boost::asio::co_spawn(
      parts_.executor, status_document(*this, std::move(services)),
      [reply = std::move(reply)](const std::exception_ptr& failed, std::string document) {
        reply(failed ? status::admin_error("status: it could not be found out")
                     : std::move(document));
      });
}

modes::Awaitable<std::string> Answers::status_document(Answers& self,
                                                       status::ServiceQuery services) {
  const auto& parts = self.parts_;
  auto page = status::page_of_services(parts.table, parts.reporter.set_aside(), services);
  auto traffic = co_await self.traffic_.at(std::move(page));
  co_return status::status_document(
      {.version = parts.version,
       .mode = std::string{to_string(parts.config.mode)},
       .node = parts.config.node_name,
       .started = parts.started,
       .listening = parts.listening,
       .table = parts.table,
       .health = parts.health,
       .reporter = parts.reporter,
       .problems = parts.intake.current_problems(),
       .health_check_failures = parts.service_health.failures(),
       .services = std::move(services),
       .traffic = std::move(traffic),
       .figures = parts.mode ? parts.mode->figures() : std::vector<modes::Mode::Figure>{}},
      status::Moment::now());
}

}  // namespace proxy
