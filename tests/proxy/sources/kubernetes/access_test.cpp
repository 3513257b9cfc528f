// Where the server is and who we are: kubeconfigs, pods, URLs, plugins, proxies.
#include "proxy/sources/kubernetes/base64.hpp"
#include "proxy/sources/kubernetes/exec_plugin.hpp"
#include "proxy/sources/kubernetes/find_access.hpp"
#include "proxy/sources/kubernetes/kubeconfig.hpp"
#include "proxy/sources/kubernetes/proxy_handshake.hpp"
#include "tests/proxy/sources/manifests/temporary_folder.hpp"

#include <gmock/gmock.h>

#include <fstream>

namespace proxy::sources::kubernetes {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::StartsWith;

std::string kubeconfig(const std::string& cluster, const std::string& user) {
  return "apiVersion: v1\nkind: Config\ncurrent-context: here\n"
         "contexts:\n- name: there\n  context: {cluster: x, user: y}\n"
         "- name: here\n  context: {cluster: c, user: u}\n"
         "clusters:\n- name: c\n  cluster: {" +
         cluster +
         "}\n"
         "users:\n- name: u\n  user: {" +
         user + "}\n";
}
Result<Access> read(const std::string& cluster, const std::string& user) {
  return read_kubeconfig(kubeconfig(cluster, user), "/etc/viaduct");
}
std::string complaint(const std::string& cluster, const std::string& user) {
  const auto access = read(cluster, user);
  return access ? "no complaint" : access.error().text();
}
const std::string kServer = "server: 'https://10.0.0.1:6443'";

TEST(Kubeconfig, GivesWhatTheCurrentContextMeans) {
  const auto access = read(kServer + ", certificate-authority-data: Y2E=, tls-server-name: api",
                           "client-certificate: pki/cert.pem, client-key: /abs/key.pem")
                          .value();
  EXPECT_EQ(access.servers.front().text(), "https://10.0.0.1:6443");
  EXPECT_EQ(access.ca.data, "ca");
  EXPECT_EQ(access.tls_server_name, "api");
  EXPECT_EQ(access.client_certificate.file, "/etc/viaduct/pki/cert.pem");
  EXPECT_EQ(access.client_key.file, "/abs/key.pem");
}

TEST(Kubeconfig, ATokenFileGoesBeforeAToken) {
  const auto access = read(kServer, "token: old, tokenFile: token").value();
  EXPECT_EQ(access.token.file, "/etc/viaduct/token");
  EXPECT_EQ(access.token.data, "");
  EXPECT_EQ(read(kServer, "token: only").value().token.data, "only");
}

TEST(Kubeconfig, KnowsProxiesInsecureServersAndImpersonation) {
  const auto access = read(kServer +
                               ", proxy-url: 'socks5://u:p%40@proxy:1080', "
                               "insecure-skip-tls-verify: true",
                           "username: me, password: secret, as: other, as-groups: [a, b]")
                          .value();
  EXPECT_EQ(access.proxy.always->userinfo, "u:p@");
  EXPECT_TRUE(access.insecure);
  EXPECT_EQ(access.username, "me");
  EXPECT_THAT(access.impersonation,
              ElementsAre(Pair("Impersonate-User", "other"), Pair("Impersonate-Group", "a"),
                          Pair("Impersonate-Group", "b")));
}

TEST(Kubeconfig, KnowsExecPlugins) {
  const auto access =
      read(kServer,
           "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./get-token, "
           "args: [a, b], env: [{name: K, value: V}], provideClusterInfo: true}")
          .value();
  ASSERT_TRUE(access.exec);
  EXPECT_EQ(access.exec->command, "/etc/viaduct/get-token");
  EXPECT_THAT(access.exec->arguments, ElementsAre("a", "b"));
  EXPECT_THAT(access.exec->environment, ElementsAre(Pair("K", "V")));
  EXPECT_TRUE(access.exec->provide_cluster_info);
}

TEST(Kubeconfig, NamesWhatIsWrong) {
  EXPECT_THAT(complaint("server: 'ftp://x'", ""), HasSubstr("server: "));
  EXPECT_THAT(complaint(kServer + ", certificate-authority-data: '!'", ""), HasSubstr("base64"));
  EXPECT_THAT(complaint(kServer, "auth-provider: {name: gcp}"), HasSubstr("auth-provider"));
  EXPECT_THAT(complaint(kServer, "client-certificate: x"), HasSubstr("client-key"));
  EXPECT_THAT(complaint(kServer, "exec: {apiVersion: v0, command: x}"), HasSubstr("apiVersion"));
  EXPECT_THAT(complaint(kServer + ", insecure-skip-tls-verify: true, certificate-authority: x", ""),
              HasSubstr("excludes"));
  EXPECT_THAT(read_kubeconfig("current-context: nowhere\ncontexts: []\n", "/").error().text(),
              HasSubstr("contexts: has no \"nowhere\""));
  EXPECT_THAT(read_kubeconfig("", "/").error().text(), HasSubstr("no kubeconfig"));
}

TEST(Kubeconfig, MasterOverridesTheServer) {
  const auto access =
      read_kubeconfig(kubeconfig("", ""), "/", parse_servers("https://a,https://b").value());
  ASSERT_TRUE(access) << access.error();
  EXPECT_EQ(access->servers.size(), 2U);
}

TEST(FindAccess, APodsServiceAccountIsTheLastResort) {
  const manifests::TemporaryFolder folder;
  PodEnvironment pod{.folder = folder / "serviceaccount", .host = "10.96.0.1", .port = "443"};
  const auto nothing = find_access("", "", pod);
  ASSERT_FALSE(nothing);
  EXPECT_THAT(nothing.error().text(), StartsWith("--manifests or --kubeconfig: needed"));
  std::filesystem::create_directory(pod.folder);
  std::ofstream{pod.folder / "token"} << "t";
  const auto access = find_access("", "", pod).value();
  EXPECT_EQ(access.servers.front().text(), "https://10.96.0.1:443");
  EXPECT_EQ(access.token.file, (pod.folder / "token").string());
  EXPECT_EQ(access.ca.file, (pod.folder / "ca.crt").string());
  pod.host = "fd00::1";
  EXPECT_EQ(find_access("", "", pod).value().servers.front().text(), "https://[fd00::1]:443");
}

TEST(FindAccess, MasterAloneGoesWithTheServiceAccountButNeverInTheClear) {
  const manifests::TemporaryFolder folder;
  const PodEnvironment pod{.folder = folder / "", .host = "", .port = ""};
  std::ofstream{pod.folder / "token"} << "t";
  EXPECT_FALSE(find_access("", "https://a", pod).value().token.empty());
  EXPECT_TRUE(find_access("", "http://a", pod).value().token.empty());
}

TEST(FindAccess, AKubeconfigThatIsNotThereIsNamed) {
  EXPECT_THAT(find_access("/nowhere/k", "", {}).error().text(),
              AllOf(StartsWith("--kubeconfig: "), HasSubstr("/nowhere/k")));
}

TEST(Urls, OfServers) {
  EXPECT_EQ(parse_server("10.0.0.1:8080").value().text(), "http://10.0.0.1:8080");
  EXPECT_EQ(parse_server("https://api/k8s/clusters/c-1/").value().text(),
            "https://api:443/k8s/clusters/c-1");
  EXPECT_EQ(parse_server("https://[fd00::1]").value().authority(), "[fd00::1]:443");
  for (const auto* wrong : {"", "https://", "https://a b", "https://a:0", "https://a:99999",
                            "https://[fd00::1", "https://[10.0.0.1]", "https://u:p@a",
                            "https://a/x?y", "socks5://a", "https://a/\r\nX: y", "https://a:1x"}) {
    EXPECT_FALSE(parse_server(wrong)) << wrong;
  }
}

TEST(Base64, OfAnyLength) {
  for (const std::string text : {"", "a", "ab", "abc", "abcd", "\xff\xfe\xfd"}) {
    EXPECT_EQ(from_base64(to_base64(text)), text);
  }
  EXPECT_EQ(from_base64("YW\nJj"), "abc");
  EXPECT_FALSE(from_base64("YW=j"));
  EXPECT_FALSE(from_base64("YWJ"));
}

// ── plugins ─────────────────────────────────────────────────────────────────────────────────────

TEST(ExecCredentials, AreReadAndChecked) {
  constexpr const char* kV1 = "client.authentication.k8s.io/v1";
  const auto text = [](const std::string& status) {
    return R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{)" +
           status + "}}";
  };
  const auto good = read_exec_credential(
      text(R"("token":"t","expirationTimestamp":"2026-01-31T12:00:00Z")"), kV1);
  EXPECT_EQ(good.value().token, "t");
  EXPECT_TRUE(good.value().expires);
  EXPECT_FALSE(read_exec_credential(text(""), kV1)) << "no credentials";
  EXPECT_FALSE(
      read_exec_credential(text(R"("token":"t")"), "client.authentication.k8s.io/v1beta1"));
  EXPECT_FALSE(read_exec_credential(text(R"("clientCertificateData":"c")"), kV1)) << "no key";
  EXPECT_FALSE(read_exec_credential("token", kV1));
}

TEST(ExecCredentials, PluginsAreToldAboutTheClusterIfTheyWant) {
  Access access;
  access.servers = {parse_server("https://api:6443").value()};
  access.exec.emplace().api_version = "client.authentication.k8s.io/v1";
  EXPECT_EQ(exec_info(access, "PEM"),
            R"({"kind":"ExecCredential","apiVersion":)"
            R"("client.authentication.k8s.io/v1","spec":{"interactive":false}})");
  access.exec->provide_cluster_info = true;
  EXPECT_THAT(
      exec_info(access, "PEM"),
      HasSubstr(R"("cluster":{"server":"https://api:6443","certificate-authority-data":"UEVN"})"));
}

// ── proxies ─────────────────────────────────────────────────────────────────────────────────────

Result<void> hears(ProxyHandshake& handshake, std::string_view bytes) {
  for (const char byte : bytes) {
    if (auto good = handshake.feed(byte); !good) return good;
  }
  return {};
}

TEST(Proxies, HttpIsAskedToConnect) {
  ProxyHandshake handshake{parse_proxy("http://me:secret@proxy:3128").value(),
                           parse_server("https://api:6443").value()};
  EXPECT_EQ(handshake.take_output(),
            "CONNECT api:6443 HTTP/1.1\r\nHost: api:6443\r\n"
            "Proxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n");
  EXPECT_TRUE(hears(handshake, "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n"));
  EXPECT_TRUE(handshake.is_done());
}

TEST(Proxies, ARefusalIsToldAsTheProxySaysIt) {
  ProxyHandshake handshake{parse_proxy("http://proxy").value(), parse_server("https://a").value()};
  EXPECT_THAT(hears(handshake, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").error().text(),
              HasSubstr("407 Proxy Authentication Required"));
}

TEST(Proxies, SocksWithAndWithoutPassword) {
  using namespace std::string_literals;
  ProxyHandshake open{parse_proxy("socks5://proxy").value(),
                      parse_server("https://10.0.0.1:6443").value()};
  EXPECT_EQ(open.take_output(), "\5\1\0"s);
  ASSERT_TRUE(hears(open, "\5\0"s));
  EXPECT_EQ(open.take_output(), "\5\1\0\1\x0a\0\0\1\x19\x2b"s);
  ASSERT_TRUE(hears(open, "\5\0\0\1\0\0\0\0\0\0"s));
  EXPECT_TRUE(open.is_done());

  ProxyHandshake closed{parse_proxy("socks5://u:p@proxy").value(),
                        parse_server("https://api:443").value()};
  EXPECT_EQ(closed.take_output(), "\5\2\0\2"s);
  ASSERT_TRUE(hears(closed, "\5\2"s));
  EXPECT_EQ(closed.take_output(), "\1\1u\1p"s);
  ASSERT_TRUE(hears(closed, "\1\0"s));
  EXPECT_EQ(closed.take_output(), "\5\1\0\3\3api\1\xbb"s);
  EXPECT_FALSE(hears(closed, "\5\4"s)) << "host unreachable";
}

}  // namespace
}  // namespace proxy::sources::kubernetes
