// The source against a real kube-apiserver and etcd, if KUBEBUILDER_ASSETS names a folder with
// these two binaries (as controller-runtime's envtest has it); skipped otherwise.
#include "tests/fakes/api_server/certificates.hpp"
#include "tests/fakes/api_server/query.hpp"
#include "tests/proxy/sources/kubernetes/cluster.hpp"
#include "tests/proxy/sources/manifests/temporary_folder.hpp"

#include <fmt/format.h>
#include <boost/asio/ip/tcp.hpp>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>

namespace proxy::sources::kubernetes {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr const char* kToken = "viaduct-test";

std::string assets() {
  const char* folder = std::getenv("KUBEBUILDER_ASSETS");
  return folder == nullptr ? "" : folder;
}

std::uint16_t free_port() {
  boost::asio::io_context io;
  const boost::asio::ip::tcp::acceptor acceptor{io, {boost::asio::ip::address_v4::loopback(), 0}};
  return acceptor.local_endpoint().port();
}

// A program of ours, its output in a file; ended when it goes out of scope.
class Program {
 public:
  Program(std::vector<std::string> words, const fs::path& log) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    std::vector<char*> pointers;
    for (auto& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    const int failed =
        ::posix_spawnp(&pid_, pointers[0], &actions, nullptr, pointers.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) pid_ = -1;
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() { end(SIGKILL); }

  int end(int signal) {
    if (pid_ > 0) ::kill(pid_, signal);
    return wait();
  }
  int wait() {
    int status = -1;
    if (pid_ > 0) ::waitpid(std::exchange(pid_, -1), &status, 0);
    return status;
  }

 private:
  pid_t pid_ = -1;
};

std::string text_of(const fs::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

// The private key that signs service account tokens, which kube-apiserver does not start without.
std::string rsa_key() {
  EVP_PKEY* key = EVP_RSA_gen(2048);
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  char* data = nullptr;
  const auto size = static_cast<std::size_t>(BIO_get_mem_data(bio, &data));
  std::string pem{data, size};
  BIO_free(bio);
  EVP_PKEY_free(key);
  return pem;
}

// One request of a batch for curl.
struct Call {
  std::string method, path, body;
  std::string content_type = "application/json";
};

class RealApiServer : public testing::Test {
 protected:
  void SetUp() override {
    if (assets().empty()) {
      GTEST_SKIP() << "KUBEBUILDER_ASSETS does not name a folder with kube-apiserver and etcd";
    }
    for (const auto* name : {"kube-apiserver", "etcd"}) {
      if (!fs::exists(fs::path{assets()} / name))
        GTEST_SKIP() << "no " << name << " in " << assets();
    }
    const auto pair = authority_.issue("kube-apiserver", {"IP:127.0.0.1", "DNS:localhost"});
    std::ofstream{folder_ / "tls.crt"} << pair.certificate;
    std::ofstream{folder_ / "tls.key"} << pair.key;
    std::ofstream{folder_ / "ca.crt"} << authority_.certificate();
    std::ofstream{folder_ / "sa.key"} << rsa_key();
    std::ofstream{folder_ / "tokens"} << kToken << ",admin,1,system:masters\n";
    start_etcd();
    start_api_server();
  }

  // ── the programs ──────────────────────────────────────────────────────────────────────────────

  void start_etcd() {
    etcd_.emplace(
        std::vector<std::string>{assets() + "/etcd", "--data-dir=" + (folder_ / "etcd").string(),
                                 "--listen-client-urls=" + etcd_url_,
                                 "--advertise-client-urls=" + etcd_url_,
                                 fmt::format("--listen-peer-urls=http://127.0.0.1:{}", free_port()),
                                 "--unsafe-no-fsync"},
        folder_ / "etcd.log");
  }
  void start_api_server() {
    api_.emplace(
        std::vector<std::string>{
            assets() + "/kube-apiserver", "--etcd-servers=" + etcd_url_,
            fmt::format("--secure-port={}", port_), "--bind-address=127.0.0.1",
            "--tls-cert-file=" + (folder_ / "tls.crt").string(),
            "--tls-private-key-file=" + (folder_ / "tls.key").string(),
            "--token-auth-file=" + (folder_ / "tokens").string(),
            "--service-account-issuer=https://127.0.0.1",
            "--service-account-key-file=" + (folder_ / "sa.key").string(),
            "--service-account-signing-key-file=" + (folder_ / "sa.key").string(),
            "--service-cluster-ip-range=10.96.0.0/16", "--disable-admission-plugins=ServiceAccount",
            "--authorization-mode=RBAC"},
        folder_ / "kube-apiserver.log");
    const auto deadline = std::chrono::steady_clock::now() + 120s;
    while (call({{"GET", "/readyz", ""}}) != "ok") {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline)
          << text_of(folder_ / "kube-apiserver.log");
    }
  }

  // Performs them in order over one connection; what the last one answered.
  std::string call(const std::vector<Call>& calls) {
    std::ofstream config{folder_ / "curl"};
    for (std::size_t i = 0; i < calls.size(); ++i) {
      if (i != 0) config << "next\n";
      const auto& each = calls[i];
      const auto body = folder_ / ("body-" + std::to_string(i));
      config << "silent\nurl = \"" << url_ << each.path << "\"\nrequest = " << each.method
             << "\ncacert = \"" << (folder_ / "ca.crt").string()
             << "\"\nheader = \"Authorization: Bearer " << kToken << "\"\noutput = \""
             << (folder_ / "answer").string() << "\"\n";
      if (!each.body.empty()) {
        std::ofstream{body} << each.body;
        config << "header = \"Content-Type: " << each.content_type << "\"\ndata-binary = \"@"
               << body.string() << "\"\n";
      }
    }
    config.close();
    fs::remove(folder_ / "answer");
    Program{{"curl", "--config", (folder_ / "curl").string()}, folder_ / "curl.log"}.wait();
    return text_of(folder_ / "answer");
  }
  std::string call_etcd(const std::string& path, const std::string& body) {
    std::ofstream{folder_ / "etcd-body"} << body;
    Program{{"curl", "--silent", "--output", (folder_ / "answer").string(), "--data",
             "@" + (folder_ / "etcd-body").string(), etcd_url_ + path},
            folder_ / "curl.log"}
        .wait();
    return text_of(folder_ / "answer");
  }

  // ── objects ───────────────────────────────────────────────────────────────────────────────────

  static Call create(const std::string& name) {
    return {"POST", "/api/v1/namespaces/default/services",
            R"({"apiVersion":"v1","kind":"Service","metadata":{"name":")" + name +
                R"("},"spec":{"ports":[{"name":"http","port":80}]}})"};
  }
  static Call create_slice(const std::string& service) {
    return {"POST", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
            R"({"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":")" +
                service + R"(-x","labels":{"kubernetes.io/service-name":")" + service +
                R"("}},"addressType":"IPv4","ports":[{"name":"http","port":8080}],)"
                R"("endpoints":[{"addresses":["10.244.0.1"]}]})"};
  }
  static Call patch(const std::string& name, const std::string& label) {
    return {"PATCH", "/api/v1/namespaces/default/services/" + name,
            R"({"metadata":{"labels":{"round":")" + label + R"("}}})",
            "application/merge-patch+json"};
  }
  static Call erase(const std::string& name) {
    return {"DELETE", "/api/v1/namespaces/default/services/" + name, ""};
  }

  // ── the source ────────────────────────────────────────────────────────────────────────────────

  void start() {
    KubernetesSource::Settings settings;
    settings.access.servers = {*parse_server(url_)};
    settings.access.ca.data = authority_.certificate();
    settings.access.token.data = kToken;
    settings.interests = {.node_name = "node-a", .dns = true};
    settings.timing.pace.longest_retry = 200ms;
    source_.emplace(io_, log_, std::move(settings));
    ASSERT_TRUE(source_->start(sink_));
    ASSERT_TRUE(runs_until([&] { return sink_.replacements == 1; }));
  }
  bool runs_until(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + 120s;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      io_.restart();
      io_.run_one_for(5ms);
    }
    return true;
  }
  // What the server has, as the decoder reads it.
  std::map<records::RecordKey, records::Record> truth() {
    std::map<records::RecordKey, records::Record> all;
    for (const auto* path :
         {"/api/v1/services", "/apis/discovery.k8s.io/v1/endpointslices", "/api/v1/namespaces"}) {
      records::Decoder{}.decode(call({{"GET", path, ""}}), [&](records::Outcome outcome) {
        auto* decoded = std::get_if<records::Decoded>(&outcome);
        ASSERT_NE(decoded, nullptr);
        all.insert_or_assign(key_of(decoded->record), decoded->record);
      });
    }
    return all;
  }
  void expect_the_truth() {
    auto wanted = truth();
    EXPECT_TRUE(runs_until([&] { return sink_.state == wanted; }))
        << sink_.state.size() << " records instead of " << wanted.size();
    EXPECT_EQ(sink_.replacements, 1);
  }

  const manifests::TemporaryFolder folder_;
  fakes::CertificateAuthority authority_;
  const std::uint16_t port_ = free_port();
  const std::string url_ = fmt::format("https://127.0.0.1:{}", port_);
  const std::string etcd_url_ = fmt::format("http://127.0.0.1:{}", free_port());
  std::optional<Program> etcd_;
  std::optional<Program> api_;
  boost::asio::io_context io_{1};
  fakes::FakeLog log_;
  RecordingSink sink_;
  std::optional<KubernetesSource> source_;
};

TEST_F(RealApiServer, CreatedPatchedAndDeletedObjectsAreFollowed) {
  call({create("a"), create("b"), create_slice("a")});
  start();
  expect_the_truth();
  call({create("c"), create_slice("c"), patch("a", "1"), erase("b")});
  expect_the_truth();
}

TEST_F(RealApiServer, FiveThousandServicesAtOnce) {
  start();
  std::vector<Call> calls;
  for (int i = 0; i < 5000; ++i) calls.push_back(create("s" + std::to_string(i)));
  call(calls);
  expect_the_truth();
  EXPECT_GE(sink_.state.size(), 5000U);
}

TEST_F(RealApiServer, RestartedAndKilledItLosesNothing) {
  call({create("a"), create("b")});
  start();
  for (const int signal : {SIGTERM, SIGKILL, SIGKILL}) {
    api_->end(signal);
    start_api_server();
    call({patch("a", std::to_string(signal)), erase("b"), create("c" + std::to_string(signal))});
    expect_the_truth();
  }
}

TEST_F(RealApiServer, WhatWasDeletedBehindACompactionGoes) {
  call({create("a"), create("b"), create_slice("a")});
  start();
  expect_the_truth();
  api_->end(SIGKILL);
  // Not even the server sees this deletion happen.
  const std::string key = "/registry/services/specs/default/b";
  call_etcd("/v3/kv/deleterange", R"({"key":")" + fakes::base64(key) + R"("})");
  for (int i = 0; i < 10; ++i) {
    call_etcd("/v3/kv/put", R"({"key":")" + fakes::base64("/x") + R"(","value":")" +
                                fakes::base64(std::to_string(i)) + R"("})");
  }
  const auto answer = call_etcd("/v3/kv/range", R"({"key":")" + fakes::base64("/x") + R"("})");
  const auto at = answer.find(R"("revision":")");
  ASSERT_NE(at, std::string::npos) << answer;
  const auto revision = std::stoll(answer.substr(at + 12));
  call_etcd("/v3/kv/compaction", fmt::format(R"({{"revision":"{}","physical":true}})", revision));
  start_api_server();
  expect_the_truth();
  EXPECT_FALSE(sink_.services().contains("default/b"));
}

}  // namespace
}  // namespace proxy::sources::kubernetes
