#include "proxy/environment/environment.hpp"

#include <fmt/format.h>

#include <variant>

namespace proxy::environment {
namespace {

// The Service of the API server itself: every pod is told where it is.
const records::ObjectName kApiServer{"default", "kubernetes"};

// Names of Services and ports are DNS labels; ASCII only.
std::string variable_name(std::string_view name) {
  std::string out{name};
  for (auto& c : out) {
    if (c == '-') c = '_';
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - ('a' - 'A'));
  }
  return out;
}

}  // namespace

void Environment::replace(std::span<const records::Record> all) {
  of_namespace_.clear();
  for (const auto& record : all) {
    if (const auto* service = std::get_if<records::Service>(&record)) take(*service);
  }
}

void Environment::change(std::span<const sources::Change> changes) {
  for (const auto& change : changes) {
    if (const auto* removal = std::get_if<sources::Removal>(&change)) {
      if (removal->key.kind == records::Kind::service) drop(removal->key.name);
    } else if (const auto* service =
                   std::get_if<records::Service>(&std::get<records::Record>(change))) {
      take(*service);
    }
  }
}

void Environment::take(const records::Service& service) {
  const bool has_cluster_ip = service.type != records::ServiceType::external_name &&
                              !service.headless && !service.cluster_ips.empty();
  if (!has_cluster_ip || service.ports.empty()) return drop(service.name);
  Facts facts{.cluster_ip = service.cluster_ips.front(), .ports = {}};
  facts.ports.reserve(service.ports.size());
  for (const auto& port : service.ports) {
    facts.ports.push_back({.number = port.port, .protocol = port.protocol, .name = port.name});
  }
  of_namespace_[service.name.space].insert_or_assign(service.name.name, std::move(facts));
}

void Environment::drop(const records::ObjectName& name) {
  const auto services = of_namespace_.find(name.space);
  if (services == of_namespace_.end()) return;
  services->second.erase(name.name);
  if (services->second.empty()) of_namespace_.erase(services);
}

Variables Environment::variables(std::string_view name_space) const {
  Variables out;
  const auto api_server = of_namespace_.find(kApiServer.space);
  if (api_server != of_namespace_.end()) {
    const auto facts = api_server->second.find(kApiServer.name);
    const auto own = of_namespace_.find(name_space);
    const bool has_namesake = own != of_namespace_.end() && own->second.contains(kApiServer.name);
    if (facts != api_server->second.end() && !has_namesake) {
      add_to(out, kApiServer.name, facts->second);
    }
  }
  const auto services = of_namespace_.find(name_space);
  if (services == of_namespace_.end()) return out;
  for (const auto& [name, facts] : services->second) add_to(out, name, facts);
  return out;
}

void Environment::add_to(Variables& variables, std::string_view service, const Facts& facts) {
  const auto prefix = variable_name(service);
  const auto ip = facts.cluster_ip.text();
  const auto url = [&](const Port& port) {
    const auto* form = facts.cluster_ip.family() == Family::v6 ? "{}://[{}]:{}" : "{}://{}:{}";
    return fmt::format(fmt::runtime(form), lower_name(port.protocol), ip, port.number.value);
  };
  const auto number = [](const Port& port) { return std::to_string(port.number.value); };
  const auto& first = facts.ports.front();
  const auto put = [&](std::string_view name, std::string value) {
    variables.insert_or_assign(prefix + std::string{name}, std::move(value));
  };
  put("_SERVICE_HOST", ip);
  put("_SERVICE_PORT", number(first));
  put("_PORT", url(first));
  for (const auto& port : facts.ports) {
    if (!port.name.empty()) put("_SERVICE_PORT_" + variable_name(port.name), number(port));
    const auto link = fmt::format("_PORT_{}_{}", port.number.value, upper_name(port.protocol));
    put(link, url(port));
    put(link + "_PROTO", std::string{lower_name(port.protocol)});
    put(link + "_PORT", number(port));
    put(link + "_ADDR", ip);
  }
}

}  // namespace proxy::environment
