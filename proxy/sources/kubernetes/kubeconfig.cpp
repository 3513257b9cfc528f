#include "proxy/sources/kubernetes/kubeconfig.hpp"

#include "proxy/records/fields.hpp"
#include "proxy/records/json_parser.hpp"
#include "proxy/records/yaml_to_json.hpp"
#include "proxy/sources/kubernetes/base64.hpp"

namespace proxy::sources::kubernetes {
namespace {

using records::json::Fields;
using records::json::Reading;
using records::json::Value;

// The entry of a list of {name: …, `what`: {…}} by its name; an absent one is a failure.
void with_named(const Fields& root, std::string_view list, std::string_view name,
                std::string_view what, const auto& use) {
  if (const auto entries = root[list]) {
    for (const auto& entry : entries->items()) {
      const auto fields = entry.fields();
      if (fields.text("name") != name) continue;
      return use(fields.object(what));
    }
  }
  root.fail(list, "has no \"" + std::string{name} + "\"");
}

// Reads what the sections have in common: pairs of fields, one with the data, one with a path.
class Section {
 public:
  Section(const Fields& fields, const std::filesystem::path& folder)
      : fields_{fields}, folder_{folder} {}

  [[nodiscard]] std::string path(std::string_view key) const {
    const auto text = fields_.text(key);
    return text.empty() ? std::string{} : (folder_ / text).lexically_normal().string();
  }
  // `data_key` holds base64.
  [[nodiscard]] Material material(std::string_view data_key, std::string_view file_key) const {
    Material material{.data = {}, .file = path(file_key)};
    if (const auto text = fields_.text(data_key); !text.empty()) {
      const auto bytes = from_base64(text);
      if (!bytes) fields_.fail(data_key, "is not base64");
      material.data = bytes.value_or("");
    }
    return material;
  }

 private:
  const Fields& fields_;
  const std::filesystem::path& folder_;
};

void read_cluster(const Fields& cluster, const std::filesystem::path& folder, Access& access) {
  const Section section{cluster, folder};
  if (access.servers.empty()) {
    auto servers = parse_servers(cluster.text("server"));
    if (!servers) return cluster.fail("server", servers.error().context);
    access.servers = *std::move(servers);
  }
  if (const auto url = cluster.text("proxy-url"); !url.empty()) {
    auto proxy = parse_proxy(url);
    if (!proxy) return cluster.fail("proxy-url", proxy.error().context);
    access.proxy.always = *std::move(proxy);
  }
  access.tls_server_name = cluster.text("tls-server-name");
  access.insecure = cluster.boolean("insecure-skip-tls-verify", false);
  access.ca = section.material("certificate-authority-data", "certificate-authority");
  if (access.insecure && !access.ca.empty()) {
    cluster.fail("insecure-skip-tls-verify", "excludes a certificate authority");
  }
}

ExecPlugin read_exec(const Fields& exec, const std::filesystem::path& folder) {
  ExecPlugin plugin;
  plugin.api_version = exec.text("apiVersion");
  constexpr std::string_view kGroup = "client.authentication.k8s.io/";
  if (plugin.api_version != std::string{kGroup} + "v1" &&
      plugin.api_version != std::string{kGroup} + "v1beta1") {
    exec.fail("apiVersion", "\"" + plugin.api_version + "\" is neither " + std::string{kGroup} +
                                "v1 nor v1beta1");
  }
  plugin.command = exec.text("command");
  if (plugin.command.empty()) exec.fail("command", "is missing");
  if (plugin.command.find('/') != std::string::npos) {
    plugin.command = (folder / plugin.command).lexically_normal().string();
  }
  if (const auto arguments = exec["args"]) {
    for (const auto& argument : arguments->items()) plugin.arguments.emplace_back(argument.text());
  }
  if (const auto environment = exec["env"]) {
    for (const auto& entry : environment->items()) {
      const auto variable = entry.fields();
      plugin.environment.emplace_back(variable.text("name"), variable.text("value"));
    }
  }
  plugin.install_hint = exec.text("installHint");
  plugin.provide_cluster_info = exec.boolean("provideClusterInfo", false);
  if (exec.text("interactiveMode") == "Always") {
    exec.fail("interactiveMode", "Always needs a terminal, and a daemon has none");
  }
  return plugin;
}

void read_impersonation(const Fields& user, Access& access) {
  if (const auto name = user.text("as"); !name.empty()) {
    access.impersonation.emplace_back("Impersonate-User", name);
  }
  if (const auto uid = user.text("as-uid"); !uid.empty()) {
    access.impersonation.emplace_back("Impersonate-Uid", uid);
  }
  if (const auto groups = user["as-groups"]) {
    for (const auto& group : groups->items()) {
      access.impersonation.emplace_back("Impersonate-Group", group.text());
    }
  }
}

void read_user(const Fields& user, const std::filesystem::path& folder, Access& access) {
  const Section section{user, folder};
  access.client_certificate = section.material("client-certificate-data", "client-certificate");
  access.client_key = section.material("client-key-data", "client-key");
  if (access.client_certificate.empty() != access.client_key.empty()) {
    user.fail("client-certificate", "and client-key go together");
  }
  // As client-go: the file counts where both are given, since it is the one that is renewed.
  access.token.file = section.path("tokenFile");
  if (access.token.file.empty()) access.token.data = user.text("token");
  access.username = user.text("username");
  access.password = user.text("password");
  if (user.has("auth-provider")) {
    user.fail("auth-provider", "was removed from Kubernetes in favour of exec");
  }
  if (user["exec"]) access.exec = read_exec(user.object("exec"), folder);
  read_impersonation(user, access);
}

}  // namespace

Result<Access> read_kubeconfig(std::string_view yaml, const std::filesystem::path& folder,
                               std::vector<Url> servers) {
  const auto documents = records::yaml_to_json(yaml);
  if (!documents) return documents.error();
  if (documents->size() != 1) return invalid("holds no kubeconfig");
  records::json::Parser parser;
  const auto parsed = parser.parse(documents->front());
  if (!parsed) return parsed.error();

  Reading reading;
  const Fields root{*parsed, {}, reading};
  Access access;
  access.servers = std::move(servers);
  const auto current = root.text("current-context");
  if (current.empty()) root.fail("current-context", "is missing");
  if (reading.failed()) return invalid(reading.failure());
  with_named(root, "contexts", current, "context", [&](const Fields& context) {
    const auto cluster = context.text("cluster");
    const auto user = context.text("user");
    with_named(root, "clusters", cluster, "cluster",
               [&](const Fields& fields) { read_cluster(fields, folder, access); });
    if (user.empty()) return;  // anonymous
    with_named(root, "users", user, "user",
               [&](const Fields& fields) { read_user(fields, folder, access); });
  });
  if (reading.failed()) return invalid(reading.failure());
  return access;
}

}  // namespace proxy::sources::kubernetes
