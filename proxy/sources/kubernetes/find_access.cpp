#include "proxy/sources/kubernetes/find_access.hpp"

#include "proxy/sources/kubernetes/kubeconfig.hpp"
#include "proxy/sources/kubernetes/whole_file.hpp"

#include <cstdlib>

namespace proxy::sources::kubernetes {
namespace {

std::string environment(const char* name) {
  const auto* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool has_service_account(const PodEnvironment& pod) {
  std::error_code ignored;
  return std::filesystem::exists(pod.folder / "token", ignored);
}

void use_service_account(const PodEnvironment& pod, Access& access) {
  access.token.file = (pod.folder / "token").string();
  access.ca.file = (pod.folder / "ca.crt").string();
}

}  // namespace

PodEnvironment PodEnvironment::of_this_process() {
  PodEnvironment pod;
  pod.host = environment("KUBERNETES_SERVICE_HOST");
  pod.port = environment("KUBERNETES_SERVICE_PORT");
  return pod;
}

Result<Access> find_access(const std::string& kubeconfig, const std::string& master,
                           const PodEnvironment& pod) {
  std::vector<Url> servers;
  if (!master.empty()) {
    auto parsed = parse_servers(master);
    if (!parsed) return within("--master", parsed.error());
    servers = *std::move(parsed);
  }
  if (!kubeconfig.empty()) {
    const auto text = whole_file(kubeconfig);
    if (!text) return within("--kubeconfig", text.error());
    const auto path = std::filesystem::absolute(kubeconfig);
    auto access = read_kubeconfig(*text, path.parent_path(), std::move(servers));
    if (!access) return within("--kubeconfig: " + kubeconfig, access.error());
    access->source = "kubeconfig " + kubeconfig;
    return access;
  }
  Access access;
  if (!servers.empty()) {
    const bool encrypted = servers.front().scheme == Scheme::https;
    access.servers = std::move(servers);
    if (encrypted && has_service_account(pod)) use_service_account(pod, access);
    access.source = "--master";
    return access;
  }
  if (pod.host.empty() || pod.port.empty() || !has_service_account(pod)) {
    return invalid(
        "--manifests or --kubeconfig: needed, there is no source of records to work from (and no "
        "service account of a pod)");
  }
  const bool bracketed = pod.host.find(':') != std::string::npos;
  auto server =
      parse_server("https://" + (bracketed ? "[" + pod.host + "]" : pod.host) + ":" + pod.port);
  if (!server) return within("KUBERNETES_SERVICE_HOST", server.error());
  access.servers = {*std::move(server)};
  use_service_account(pod, access);
  access.source = "service account";
  return access;
}

}  // namespace proxy::sources::kubernetes
