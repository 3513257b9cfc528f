// The program viaduct: chooses the command and puts the pieces together.
#include "dns/node/node_local.hpp"
#include "dns/serve/from_config.hpp"
#include "modes/iptables/cleanup.hpp"
#include "modes/iptables/from_config.hpp"
#include "modes/iptables/iptables_mode.hpp"
#include "modes/ipvs/cleanup.hpp"
#include "modes/ipvs/from_config.hpp"
#include "modes/ipvs/ipvs_mode.hpp"
#include "modes/netfilter/kernel_netlink.hpp"
#include "modes/none/none_mode.hpp"
#include "modes/userspace/direct_mode.hpp"
#include "modes/userspace/from_config.hpp"
#include "modes/userspace/userspace_mode.hpp"
#include "proxy/ask/ask.hpp"
#include "proxy/config/command_line.hpp"
#include "proxy/config/configuration_file.hpp"
#include "proxy/config/from_flags.hpp"
#include "proxy/config/reference.hpp"
#include "proxy/daemon.hpp"
#include "proxy/forwarding_table.hpp"
#include "proxy/host/conntrack_settings.hpp"
#include "proxy/host/process.hpp"
#include "proxy/host/successor.hpp"
#include "proxy/log_stderr.hpp"
#include "proxy/printable.hpp"
#include "proxy/sources/kubernetes/find_access.hpp"
#include "proxy/sources/kubernetes/kubernetes_source.hpp"
#include "proxy/sources/manifests/load.hpp"
#include "proxy/sources/manifests/manifests_source.hpp"
#include "proxy/state/service_table.hpp"
#include "proxy/status/json.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

using namespace proxy;

// Exit statuses; `viaduct help` explains them.
constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kMisused = 2;

// An error that stands before any log: one line, whatever is in it.
int complain(const Error& error, int status) {
  fmt::print(stderr, "viaduct: {}\n", printable(error.text()));
  return status;
}

Result<std::unique_ptr<modes::Mode>> make_iptables_mode(modes::iptables::Settings settings,
                                                        boost::asio::io_context& io, Log& log) {
  return modes::iptables::make_iptables_mode(
      io.get_executor(), std::move(settings),
      [&log](const modes::iptables::Advice& advice) { log.warning(advice.text); });
}

Result<std::unique_ptr<modes::Mode>> make_userspace_mode(const config::Config& config,
                                                         boost::asio::io_context& io, Log& log) {
  modes::userspace::ModeParts parts{.executor = io.get_executor(),
                                    .settings = modes::userspace::settings_from(config),
                                    .kernel_mode = nullptr,
                                    .inherited = host::inherited_sockets(),
                                    .warn = [&log](const std::string& text) { log.warning(text); }};
  if (!config.userspace.direct) {
    // What a proxy of TCP and UDP has to leave to the kernel.
    auto rest = modes::iptables::settings_from(config);
    rest.only = Protocol::sctp;
    rest.localhost_node_ports = false;
    auto kernel_mode = make_iptables_mode(std::move(rest), io, log);
    if (!kernel_mode) return kernel_mode.error();
    parts.kernel_mode = std::move(*kernel_mode);
  }
  return config.userspace.direct ? modes::userspace::make_direct_mode(std::move(parts))
                                 : modes::userspace::make_userspace_mode(std::move(parts));
}

// What the ipvs mode left goes when this one's rules are in force.
Result<std::unique_ptr<modes::Mode>> after_ipvs(Result<std::unique_ptr<modes::Mode>> mode) {
  if (!mode) return mode;
  return modes::ipvs::succeeding_ipvs(std::move(*mode));
}

Result<std::unique_ptr<modes::Mode>> make_mode(const config::Config& config,
                                               boost::asio::io_context& io, Log& log) {
  switch (config.mode) {
    case config::ProxyMode::iptables:
      return after_ipvs(make_iptables_mode(modes::iptables::settings_from(config), io, log));
    case config::ProxyMode::ipvs: {
      auto settings = modes::ipvs::settings_from(config);
      if (!settings) return settings.error();
      return modes::ipvs::make_ipvs_mode(io.get_executor(), std::move(*settings),
                                         [&log](const std::string& text) { log.warning(text); });
    }
    case config::ProxyMode::userspace:
      return after_ipvs(make_userspace_mode(config, io, log));
    case config::ProxyMode::none:
      return modes::none::make_mode();
  }
  return invalid("--proxy-mode: unknown");
}

// Where the kernel has no IPVS the configuration may name another mode to use instead.
void fall_back(config::Config& config, Log& log) {
  if (config.mode != config::ProxyMode::ipvs || !config.fall_back_to_iptables) return;
  const auto works = modes::ipvs::check_kernel();
  if (works) return;
  log.warning(fmt::format("{}; forwarding by iptables instead", works.error().text()));
  config.mode = config::ProxyMode::iptables;
}

// Names of pods that have to exist, and search lists that follow the asking pod.
bool needs_pods(const config::Dns& dns) {
  return !dns.listen.empty() && (dns.pod_records == config::PodRecords::verified || dns.autopath);
}

using MaybeAccess = std::optional<sources::kubernetes::Access>;

// How to reach the API where it is the source of records; nullopt where it is not.
Result<MaybeAccess> find_api(const config::Config& config) {
  using namespace sources::kubernetes;
  if (!config.api) return MaybeAccess{};
  auto access =
      find_access(config.api->kubeconfig, config.api->master, PodEnvironment::of_this_process());
  if (!access) return access.error();
  if (!access->proxy.always) {
    auto proxies = ProxyChoice::from(ProxyVariables::of_this_process());
    if (!proxies) return proxies.error();
    access->proxy = *std::move(proxies);
  }
  return MaybeAccess{*std::move(access)};
}

std::unique_ptr<sources::Source> make_source(const config::Config& config,
                                             const MaybeAccess& access, boost::asio::io_context& io,
                                             DaemonParts::Answered answered, Log& log) {
  using namespace sources::kubernetes;
  if (!access) {
    return std::make_unique<sources::manifests::ManifestsSource>(io, config.manifests);
  }
  KubernetesSource::Settings settings;
  settings.access = *access;
  settings.interests = {.node_name = config.node_name,
                        .endpoints = config.api->endpoints,
                        .dns = config.dns.is_served(),
                        .pods = needs_pods(config.dns)};
  settings.state_file = config.api->state_file;
  settings.user_agent = "viaduct/" VIADUCT_VERSION;
  settings.answered = std::move(answered);
  return std::make_unique<KubernetesSource>(io, log, std::move(settings));
}

Result<std::string> text_of_file(const std::string& path) {
  errno = 0;
  std::ifstream file{path};
  std::string text{std::istreambuf_iterator<char>{file}, {}};
  if (!file.is_open() || file.bad()) return system_error(errno, "read " + path);
  return text;
}

// The command line's flags with those of --config, if there is one.
struct ReadFlags {
  config::FlagValues flags;
  std::vector<std::string> warnings;
};
Result<ReadFlags> read_flags(config::FlagValues flags) {
  const auto file = flags.text("config");
  if (file.empty()) return ReadFlags{std::move(flags), {}};
  const auto text = text_of_file(file);
  if (!text) return within("--config", text.error());
  const auto unknown =
      flags.boolean("strict-config") ? config::UnknownFields::refuse : config::UnknownFields::warn;
  auto warnings = config::read_configuration(flags, file, *text, unknown);
  if (!warnings) return within("--config", warnings.error());
  return ReadFlags{std::move(flags), std::move(*warnings)};
}

Result<std::unique_ptr<NameService>> make_name_service(
    const dns::serve::ConfiguredServer& configured, Log& log) {
  if (configured.options.listen.empty() && configured.options.node_local.empty()) {
    return std::unique_ptr<NameService>{};
  }
  for (const auto& warning : configured.warnings) log.warning(warning);
  auto server = dns::serve::Server::start(configured.options, log);
  if (!server) return server.error();
  return std::unique_ptr<NameService>{std::move(*server)};
}

// --init-only: what needs privileges, so that a process without them can do the rest.
int set_up_host(const config::Config& config, Log& log) {
  const auto settings = host::conntrack_settings(config.conntrack, host::cpu_count());
  const auto failures = host::apply(settings);
  for (const auto& error : failures) log.error(error.text());
  return failures.empty() ? kDone : kFailed;
}

// --write-config-to
int write_configuration(const config::FlagValues& flags) {
  const auto path = flags.text("write-config-to");
  std::ofstream file{path};
  file << config::configuration_text(flags);
  file.close();
  if (!file) return complain(system_error(errno, "write " + path), kFailed);
  return kDone;
}

std::string flags_table(const std::vector<config::EffectiveFlag>& all) {
  std::size_t name_width = 0;
  std::size_t value_width = 0;
  for (const auto& flag : all) {
    name_width = std::max(name_width, flag.name.size());
    value_width = std::max(value_width, printable(flag.value).size());
  }
  std::string out;
  for (const auto& flag : all) {
    out += fmt::format("{:<{}}  {:<{}}  {}\n", flag.name, name_width, printable(flag.value),
                       value_width, printable(flag.origin));
  }
  return out;
}

std::string flags_document(const std::vector<config::EffectiveFlag>& all) {
  status::JsonWriter json;
  json.begin_array();
  for (const auto& flag : all) {
    json.begin_object();
    json.key("flag").text(flag.name);
    json.key("value").text(flag.value);
    json.key("origin").text(flag.origin);
    json.end_object();
  }
  json.end_array();
  return json.take();
}

// The configuration in effect, by flag, with where each value comes from.
int show_configuration(const config::FlagValues& given) {
  const auto form = ask::parse_form(given.text("output"));
  if (!form) return complain(form.error(), kMisused);
  if (*form == ask::Form::dotenv) {
    return complain(invalid("--output: only env has the form dotenv"), kMisused);
  }
  const auto read = read_flags(given);
  if (!read) return complain(read.error(), kMisused);
  const auto all = config::effective_flags(read->flags);
  fmt::print("{}", *form == ask::Form::json ? flags_document(all) + "\n" : flags_table(all));
  for (const auto& warning : read->warnings) {
    fmt::print(stderr, "{}\n", printable(warning));
  }
  if (const auto config = config::config_from_flags(read->flags, host::host_name()); !config) {
    return complain(config.error(), kMisused);
  }
  return kDone;
}

int run(const config::FlagValues& given) {
  const auto read = read_flags(given);
  if (!read) return complain(read.error(), kMisused);
  const auto& flags = read->flags;
  auto config = config::config_from_flags(flags, host::host_name());
  if (!config) return complain(config.error(), kMisused);
  if (const auto ipvs = modes::ipvs::settings_from(*config); !ipvs) {
    return complain(ipvs.error(), kMisused);
  }
  const auto resolv_conf = text_of_file(config->dns.resolv_conf);
  const auto dns = dns::serve::server_from_config(config->dns, resolv_conf ? *resolv_conf : "",
                                                  host::local_addresses());
  if (!dns) return complain(dns.error(), kMisused);
  if (!flags.text("write-config-to").empty()) return write_configuration(flags);
  const auto access =
      flags.boolean("init-only") ? Result<MaybeAccess>{MaybeAccess{}} : find_api(*config);
  if (!access) return complain(access.error(), kMisused);
  const auto log = stderr_log(config->verbosity);
  for (const auto& warning : read->warnings) log->warning(warning);
  for (const auto& warning : config::warnings(flags)) log->warning(warning);
  if (flags.boolean("init-only")) return set_up_host(*config, *log);

  if (const auto done = host::set_oom_score_adj(config->oom_score_adj); !done) {
    // Who did not ask for it need not hear that a process without privileges may not have it.
    const auto text = fmt::format("{}; it stays as it is", done.error().text());
    flags.given("oom-score-adj") ? log->warning(text) : log->detail(2, text);
  }
  fall_back(*config, *log);
  const auto ended = run_daemon(
      {.version = VIADUCT_VERSION,
       .config = *config,
       .log = *log,
       .configz = config::configz_text(flags),
       .make_source = [&](const auto& chosen, auto& io,
                          auto answered) -> Result<std::unique_ptr<sources::Source>> {
         return make_source(chosen, *access, io, std::move(answered), *log);
       },
       .make_mode = [&log](const auto& chosen, auto& io) { return make_mode(chosen, io, *log); },
       .make_name_service = [&] { return make_name_service(*dns, *log); }});
  if (ended) return kDone;
  log->error(ended.error().text());
  return kFailed;
}

// Problems of the manifests to standard error, what would be forwarded to standard output.
int check(const config::FlagValues& flags) {
  const auto config = config::config_for_check(flags, host::host_name());
  if (!config) return complain(config.error(), kMisused);
  auto loaded = sources::manifests::load(config->manifests);
  if (!loaded) return complain(loaded.error(), kFailed);

  state::ServiceTable table{{.name = config->node_name, .bind_address = config->bind_address}};
  const auto records = loaded->records.size();
  table.replace(std::move(loaded->records));
  auto problems = std::move(loaded->problems);
  for (auto& remark : table.remarks()) problems.push_back(std::move(remark));

  fmt::print("{} records; on node {} {} service ports with {} endpoints are forwarded\n", records,
             printable(config->node_name), table.size(), table.endpoint_count());
  if (const auto text = forwarding_table(table); !text.empty()) fmt::print("\n{}", text);
  if (config->verbosity >= 2) {
    for (const auto& object : loaded->skipped) fmt::print("not used: {}\n", printable(object));
  }
  for (const auto& problem : problems) {
    fmt::print(stderr, "{}: {}\n", printable(problem.where), printable(problem.what));
  }
  return problems.empty() ? kDone : kFailed;
}

// Removes what any mode ever wrote; rules of others stay, also those of a kube-proxy.
int cleanup() {
  auto kernel = modes::netfilter::NetlinkKernel::open();
  if (!kernel) return complain(kernel.error(), kFailed);
  boost::asio::io_context io;
  auto rules =
      boost::asio::co_spawn(io, modes::iptables::cleanup(*kernel), boost::asio::use_future);
  auto servers = boost::asio::co_spawn(io, modes::ipvs::cleanup(), boost::asio::use_future);
  io.run();
  const auto report = rules.get();
  if (!report) return complain(report.error(), kFailed);
  fmt::print("removed {} rules and {} chains\n", report->rules, report->chains);
  const auto dns = dns::node::remove_leftovers();
  if (!dns) return complain(dns.error(), kFailed);
  if (*dns) fmt::print("removed what kept DNS on this node\n");
  const auto ipvs = servers.get();
  if (!ipvs) return complain(ipvs.error(), kFailed);
  if (ipvs->anything()) {
    fmt::print("removed {} virtual servers of IPVS, and {} addresses with the link kube-ipvs0\n",
               ipvs->virtual_servers, ipvs->addresses);
  }
  return kDone;
}

// What a question is, by its command. Fails when it is not the arguments that it takes.
Result<std::string> request_of(const config::CommandLine& line) {
  const auto& words = line.arguments;
  if (line.command == config::Command::status) {
    if (words.size() > 1) return invalid("status: takes one part of names, or an IP address");
    return ask::status_request(words.empty() ? "" : words.front(), line.flags.text("limit"));
  }
  if (line.command == config::Command::dns) {
    if (words.size() < 2 || words.size() > 3 || words[0] != "query") {
      return invalid("dns: takes query NAME [TYPE]");
    }
    return ask::dns_request(words[1], words.size() > 2 ? words[2] : "A");
  }
  const bool explains = line.command == config::Command::explain;
  if (words.size() != 1) {
    return invalid(explains ? "explain: takes one IP:PORT[/PROTOCOL]" : "env: takes one NAMESPACE");
  }
  return explains ? ask::explain_request(words.front(), line.flags.text("from"))
                  : ask::env_request(words.front());
}

// status [PART-OF-A-NAME|IP], explain IP:PORT[/PROTOCOL], env NAMESPACE, dns query NAME [TYPE]
int ask_daemon(const config::CommandLine& line) {
  const auto form = line.command == config::Command::env && !line.flags.given("output")
                        ? ask::Form::dotenv
                        : ask::parse_form(line.flags.text("output"));
  if (!form) return complain(form.error(), kMisused);
  const auto request = request_of(line);
  if (!request) return complain(request.error(), kMisused);
  const auto answer = ask::ask(line.flags.text("admin-socket"), *request, *form);
  if (!answer) return complain(answer.error(), kFailed);
  fmt::print("{}", *answer);
  return kDone;
}

// help [FORM]; --help beside another command's arguments is plain help.
int help(const config::CommandLine& line) {
  const bool asked_by_name = !line.flags.boolean("help") && !line.arguments.empty();
  const auto text = config::reference(asked_by_name ? line.arguments.front() : "");
  if (!text) return complain(text.error(), kMisused);
  fmt::print("{}", *text);
  return kDone;
}

int perform(const config::CommandLine& line) {
  switch (line.command) {
    case config::Command::run:
      return run(line.flags);
    case config::Command::check:
      return check(line.flags);
    case config::Command::config:
      return show_configuration(line.flags);
    case config::Command::cleanup:
      return cleanup();
    case config::Command::status:
    case config::Command::explain:
    case config::Command::env:
    case config::Command::dns:
      return ask_daemon(line);
    case config::Command::version:
      fmt::print("{}{}\n", line.flags.text("version") == "raw" ? "" : "viaduct ", VIADUCT_VERSION);
      return kDone;
    case config::Command::help:
      return help(line);
  }
  return kMisused;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::vector<std::string> words(argv + 1, argv + argc);
    const auto line = config::parse_command_line(words);
    if (!line) return complain(line.error(), kMisused);
    const auto status = perform(*line);
    // A full disk or a closed pipe must not look like success.
    if (std::fflush(stdout) != 0) return complain(system_error(errno, "standard output"), kFailed);
    return status;
  } catch (const std::exception& error) {
    return complain(invalid(error.what()), kFailed);
  }
}
