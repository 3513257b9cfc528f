// The real binary, from outside and without privileges: its commands, its flags, its servers and
// signals, in the mode that forwards nothing.
#include "proxy/status/admin_socket.hpp"
#include "proxy/unique_fd.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace proxy {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using asio::ip::tcp;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

// A process of ours: its two outputs are pipes; killed when it goes out of scope.
class Child {
 public:
  explicit Child(std::vector<std::string> arguments) {
    int out[2], err[2];
    EXPECT_EQ(::pipe2(out, O_CLOEXEC), 0);
    EXPECT_EQ(::pipe2(err, O_CLOEXEC), 0);
    out_.reset(out[0]);
    err_.reset(err[0]);
    const UniqueFd child_out{out[1]}, child_err{err[1]};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
    arguments.insert(arguments.begin(), VIADUCT_BINARY);
    std::vector<char*> words;
    for (auto& argument : arguments) words.push_back(argument.data());
    words.push_back(nullptr);
    EXPECT_EQ(::posix_spawn(&pid_, VIADUCT_BINARY, &actions, nullptr, words.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    (void)wait();
  }

  void send(int signal) const { ASSERT_EQ(::kill(pid_, signal), 0); }
  // The exit status, or the negative signal that ended it.
  int wait() {
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  // Standard error up to the next line that holds `text`; that line. Empty, and a failure of the
  // test, when the process closes it before or takes half a minute.
  std::string line_with(std::string_view text) {
    while (true) {
      const auto end = unread_.find('\n');
      if (end != std::string::npos) {
        auto line = unread_.substr(0, end);
        unread_.erase(0, end + 1);
        seen_ += line + "\n";
        if (line.find(text) != std::string::npos) return line;
        continue;
      }
      pollfd ready{.fd = err_.get(), .events = POLLIN, .revents = 0};
      std::array<char, 4096> chunk{};
      const auto size =
          ::poll(&ready, 1, 30000) == 1 ? ::read(err_.get(), chunk.data(), chunk.size()) : -1;
      if (size <= 0) {
        ADD_FAILURE() << "no line with \"" << text << "\" in:\n" << seen_ << unread_;
        return {};
      }
      unread_.append(chunk.data(), static_cast<std::size_t>(size));
    }
  }
  void close_errors() { err_.reset(); }
  std::string rest_of_output() { return rest(out_.get()); }
  std::string rest_of_errors() { return seen_ + unread_ + rest(err_.get()); }

 private:
  static std::string rest(int fd) {
    std::string text;
    std::array<char, 4096> chunk{};
    ssize_t size = 0;
    while ((size = ::read(fd, chunk.data(), chunk.size())) > 0) {
      text.append(chunk.data(), static_cast<std::size_t>(size));
    }
    return text;
  }

  pid_t pid_ = -1;
  UniqueFd out_, err_;
  std::string unread_, seen_;
};

struct Ended {
  int status = 0;
  std::string output;
  std::string errors;
};

// Runs the binary to its end.
Ended run(std::vector<std::string> arguments) {
  Child child{std::move(arguments)};
  Ended ended;
  ended.output = child.rest_of_output();
  ended.errors = child.rest_of_errors();
  ended.status = child.wait();
  return ended;
}

constexpr auto kService = R"(
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  clusterIP: 10.96.0.10
  ports: [{name: http, port: 80}]
)";

class DaemonTest : public testing::Test {
 protected:
  void SetUp() override {
    auto pattern = (fs::temp_directory_path() / "viaduct-daemon-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    fs::create_directory(manifests_ = directory_ / "manifests");
    socket_ = directory_ / "admin.sock";
  }
  void TearDown() override { fs::remove_all(directory_); }

  void put(const std::string& name, const std::string& text) const {
    std::ofstream{manifests_ / name} << text;
  }
  // The flags of a daemon that disturbs nobody, and more.
  [[nodiscard]] std::vector<std::string> flags(std::vector<std::string> more = {}) const {
    std::vector<std::string> all{"run",
                                 "--proxy-mode=none",
                                 "--manifests=" + manifests_.string(),
                                 "--admin-socket=" + socket_.string(),
                                 "--healthz-bind-address=127.0.0.1:0",
                                 "--metrics-bind-address=127.0.0.1:0",
                                 "--hostname-override=Node-A",
                                 "-v4"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  [[nodiscard]] YAML::Node status() const {
    const auto reply = status::ask_admin(socket_, R"({"command":"status"})");
    EXPECT_TRUE(reply) << reply.error();
    return reply ? YAML::Load(*reply) : YAML::Node{};
  }
  // The reply of a server that the daemon says it has.
  [[nodiscard]] std::string get(const std::string& server, const std::string& path) const {
    const auto address = status()["listening"][server].as<std::string>();
    const auto port = std::stoi(address.substr(address.rfind(':') + 1));
    asio::io_context io;
    tcp::socket socket{io};
    socket.connect({asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(port)});
    asio::write(socket, asio::buffer("GET " + path + " HTTP/1.0\r\n\r\n"));
    std::string reply;
    boost::system::error_code ec;
    asio::read(socket, asio::dynamic_buffer(reply), ec);
    return reply;
  }

  fs::path directory_, manifests_, socket_;
};

// ── commands and flags
// ────────────────────────────────────────────────────────────────────────────

TEST(Commands, NonsenseIsOneLineAndStatusTwo) {
  for (const std::vector<std::string>& words : {
           std::vector<std::string>{"--no-such-flag"},
           {"dance"},
           {"--iptables-sync-period=soon", "--manifests=x"},
           {"--proxy-mode=nftables", "--manifests=x"},
           {"--proxy-mode=none"},
           {"--manifests=x", "--kubeconfig=y"},
           {"--manifests=x", "--config=/nowhere/y"},
           {"--manifests=x", "--iptables-masquerade-bit=32"},
       }) {
    const auto ended = run(words);
    EXPECT_EQ(ended.status, 2) << words.front();
    EXPECT_THAT(ended.output, IsEmpty());
    EXPECT_THAT(ended.errors, StartsWith("viaduct: "));
    EXPECT_EQ(std::ranges::count(ended.errors, '\n'), 1) << ended.errors;
  }
}

TEST(Commands, VersionAndHelpSayWhatTheyAre) {
  EXPECT_THAT(run({"version"}).output, StartsWith("viaduct "));
  EXPECT_EQ(run({"--version"}).output, run({"version"}).output);
  const auto help = run({"--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.output, HasSubstr("--iptables-min-sync-period=1s"));
}

TEST(Commands, CheckShowsWhatTheExamplesForward) {
  const auto ended = run({"check", "--manifests", VIADUCT_EXAMPLES});
  EXPECT_EQ(ended.status, 0) << ended.errors;
  EXPECT_THAT(ended.errors, IsEmpty());
  EXPECT_THAT(ended.output,
              AllOf(HasSubstr("SERVICE PORT"), HasSubstr("node port 3"), HasSubstr("10.244.")));
}

TEST_F(DaemonTest, CheckNamesWhatIsWrongAndShowsTheRest) {
  put("good.yaml", kService);
  put("bad.yaml",
      "apiVersion: v1\nkind: Service\nmetadata: {name: bad, namespace: shop}\n"
      "spec: {clusterIP: 10.96.0.11, ports: [{port: 70000}]}\n");
  const auto ended = run({"check", "--manifests", manifests_.string()});
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.output, HasSubstr("shop/web:http"));
  EXPECT_THAT(ended.errors, AllOf(HasSubstr("bad.yaml"), HasSubstr("port")));
}

TEST_F(DaemonTest, CheckOfAFolderThatIsNotThereFails) {
  const auto ended = run({"check", "--manifests", (directory_ / "nowhere").string()});
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.errors, HasSubstr("nowhere"));
}

TEST_F(DaemonTest, NothingFromAManifestReachesTheTerminalUnescaped) {
  put("hostile.yaml",
      "apiVersion: v1\nkind: Service\nmetadata: {name: \"x\\e[2J\\nforged\"}\n"
      "spec: {clusterIP: 10.96.0.11, ports: [{port: 80}]}\n");
  const auto ended = run({"check", "--manifests", manifests_.string()});
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.errors, Not(HasSubstr("\x1b")));
  EXPECT_THAT(ended.errors, Not(HasSubstr("\nforged")));
}

// ── configuration files
// ───────────────────────────────────────────────────────────────────────────────────────

class ConfigurationFileTest : public DaemonTest {
 protected:
  void write(const std::string& fields) const {
    std::ofstream{file_} << "apiVersion: kubeproxy.config.k8s.io/v1alpha1\n"
                            "kind: KubeProxyConfiguration\n"
                         << fields;
  }
  [[nodiscard]] std::vector<std::string> file_flags(std::vector<std::string> more = {}) const {
    more.insert(more.end(), {"--config=" + file_.string(), "--manifests=" + manifests_.string(),
                             "--admin-socket=" + socket_.string()});
    return more;
  }
  void SetUp() override {
    DaemonTest::SetUp();
    file_ = directory_ / "config.conf";
  }
  fs::path file_;
};

constexpr auto kQuietServers =
    "mode: none\nhealthzBindAddress: 127.0.0.1:0\nmetricsBindAddress: 127.0.0.1:0\n";

TEST_F(ConfigurationFileTest, IsWhatTheDaemonRunsBy) {
  write(std::string{kQuietServers} + "hostnameOverride: from-file\n");
  Child daemon{file_flags()};
  daemon.line_with("are in force");
  EXPECT_EQ(status()["node"].as<std::string>(), "from-file");
  EXPECT_THAT(get("healthz", "/healthz"), HasSubstr(" 200 "));
}

TEST_F(ConfigurationFileTest, EndsTheDaemonWhenItIsWritten) {
  write(kQuietServers);
  Child daemon{file_flags()};
  daemon.line_with("are in force");
  write("mode: iptables\n");
  EXPECT_THAT(daemon.line_with("changed"), HasSubstr("config.conf: changed"));
  EXPECT_EQ(daemon.wait(), 1);
}

TEST_F(ConfigurationFileTest, IsShownInEffectAndWritten) {
  write("mode: none\noomScoreAdj: 7\nstrange: 1\n");
  const auto shown = run(file_flags({"config"}));
  EXPECT_EQ(shown.status, 0);
  EXPECT_THAT(shown.output, testing::ContainsRegex("oom-score-adj +7 +.*config.conf: oomScoreAdj"));
  EXPECT_THAT(shown.errors, HasSubstr("config.conf: strange: unknown field"));
  EXPECT_EQ(run(file_flags({"config", "--strict-config"})).status, 2);

  const auto copy = (directory_ / "copy.conf").string();
  EXPECT_EQ(run(file_flags({"--write-config-to=" + copy})).status, 0);
  const auto written = YAML::LoadFile(copy);
  EXPECT_EQ(written["oomScoreAdj"].as<int>(), 7);
  EXPECT_EQ(written["conntrack"]["min"].as<int>(), 131072);
}

// ── the daemon
// ────────────────────────────────────────────────────────────────────────────────────

TEST_F(DaemonTest, ServesHealthMetricsAndStatusAndEndsOnSigterm) {
  put("web.yaml", kService);
  Child daemon{flags()};
  daemon.line_with("all 1 service ports are in force");
  EXPECT_THAT(get("healthz", "/healthz"),
              AllOf(StartsWith("HTTP/1.0 200"), HasSubstr("\"nodeEligible\":true")));
  EXPECT_THAT(get("healthz", "/livez"), StartsWith("HTTP/1.0 200"));
  EXPECT_THAT(get("metrics", "/healthz"), EndsWith("\r\n\r\nok"));
  EXPECT_THAT(get("metrics", "/proxyMode"), EndsWith("\r\n\r\nnone"));
  EXPECT_THAT(get("metrics", "/metrics"),
              AllOf(HasSubstr("viaduct_service_ports 1\n"),
                    HasSubstr("kubeproxy_proxy_healthz_total{code=\"200\"} 1\n"),
                    HasSubstr("process_resident_memory_bytes")));
  const auto known = status();
  EXPECT_EQ(known["node"].as<std::string>(), "node-a");
  EXPECT_EQ(known["counts"]["servicePorts"].as<int>(), 1);
  EXPECT_TRUE(known["synced"].as<bool>());
  daemon.send(SIGTERM);
  EXPECT_EQ(daemon.wait(), 0);
  EXPECT_THAT(daemon.rest_of_errors(), HasSubstr("SIGTERM: ending"));
  EXPECT_FALSE(fs::exists(socket_));
}

TEST_F(DaemonTest, IsNotHealthyBeforeThereAreRecords) {
  fs::remove(manifests_);
  Child daemon{flags()};
  daemon.line_with("metrics at ");
  EXPECT_THAT(get("healthz", "/healthz"), StartsWith("HTTP/1.0 503"));
  EXPECT_THAT(get("healthz", "/livez"), StartsWith("HTTP/1.0 200"));
  fs::create_directory(manifests_);
  daemon.line_with("all 0 service ports are in force");
  EXPECT_THAT(get("healthz", "/healthz"), StartsWith("HTTP/1.0 200"));
}

TEST_F(DaemonTest, FollowsChangesAndReportsProblems) {
  Child daemon{flags()};
  daemon.line_with("all 0 service ports are in force");
  put("web.yaml", kService);
  daemon.line_with("sync (change) of 1 service ports");
  put("bad.yaml", "kind: [\n");
  daemon.line_with("bad.yaml");
  const auto known = status();
  EXPECT_EQ(known["counts"]["servicePorts"].as<int>(), 1);
  EXPECT_EQ(known["counts"]["problems"].as<int>(), 1);
  EXPECT_THAT(known["problems"][0]["where"].as<std::string>(), HasSubstr("bad.yaml"));
}

TEST_F(DaemonTest, TellsSystemdWhenAllIsInForceAndWhenItEnds) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const auto path = (directory_ / "notify").string();
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const UniqueFd systemd{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  ASSERT_EQ(::bind(systemd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  ::setenv("WATCHDOG_USEC", "1000000", 1);
  put("web.yaml", kService);
  Child daemon{flags()};
  ::unsetenv("NOTIFY_SOCKET");
  ::unsetenv("WATCHDOG_USEC");

  std::string heard;
  const auto hear_until = [&](std::string_view wanted) {
    std::array<char, 1024> buffer{};
    while (heard.find(wanted) == std::string::npos) {
      pollfd ready{.fd = systemd.get(), .events = POLLIN, .revents = 0};
      if (::poll(&ready, 1, 30000) != 1) break;
      const auto size = ::recv(systemd.get(), buffer.data(), buffer.size(), 0);
      heard.append(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))) += ';';
    }
    EXPECT_THAT(heard, HasSubstr(wanted));
  };
  hear_until("READY=1\nSTATUS=1 service ports");
  hear_until("WATCHDOG=1");
  daemon.send(SIGTERM);
  hear_until("STOPPING=1");
  EXPECT_EQ(daemon.wait(), 0);
}

TEST_F(DaemonTest, WarnsOnceOfAFlagWithoutEffect) {
  Child daemon{flags({"--kube-api-qps=50", "--kube-api-qps=60"})};
  daemon.line_with("--kube-api-qps has no effect: ");
  daemon.line_with("are in force");
  daemon.send(SIGINT);
  EXPECT_EQ(daemon.wait(), 0);
  const auto log = daemon.rest_of_errors();
  EXPECT_EQ(log.find("kube-api-qps"), log.rfind("kube-api-qps")) << log;
}

TEST_F(DaemonTest, ASecondOneEndsAndLeavesTheFirstAlone) {
  Child first{flags()};
  first.line_with("are in force");
  const auto second = run(flags());
  EXPECT_EQ(second.status, 1);
  EXPECT_THAT(second.errors, HasSubstr("another viaduct answers on "));
  EXPECT_TRUE(status()["synced"].as<bool>());
}

TEST_F(DaemonTest, StartsAgainAfterItWasKilled) {
  {
    Child killed{flags()};
    killed.line_with("are in force");
    killed.send(SIGKILL);
    EXPECT_EQ(killed.wait(), -SIGKILL);
  }
  EXPECT_TRUE(fs::exists(socket_));
  Child next{flags()};
  next.line_with("are in force");
  EXPECT_TRUE(status()["synced"].as<bool>());
}

TEST_F(DaemonTest, ATakenAddressIsTriedAgainUnlessThatIsToEndIt) {
  asio::io_context io;
  const tcp::acceptor taken{io, {asio::ip::address_v4::loopback(), 0}};
  const auto address =
      "--metrics-bind-address=127.0.0.1:" + std::to_string(taken.local_endpoint().port());
  const auto hard = run(flags({address, "--bind-address-hard-fail"}));
  EXPECT_EQ(hard.status, 1);
  EXPECT_THAT(hard.errors, HasSubstr("error metrics: listen on 127.0.0.1:"));
  Child soft{flags({address})};
  soft.line_with("trying again every 5 s");
  soft.line_with("are in force");
}

TEST_F(DaemonTest, ASignalToReloadDoesNotEndIt) {
  Child daemon{flags()};
  daemon.line_with("are in force");
  daemon.send(SIGHUP);
  EXPECT_TRUE(status()["synced"].as<bool>());
}

TEST_F(DaemonTest, LivesOnWhenNobodyReadsItsLog) {
  Child daemon{flags()};
  daemon.line_with("are in force");
  daemon.close_errors();
  put("web.yaml", kService);
  while (status()["counts"]["servicePorts"].as<int>() == 0) {
  }
  daemon.send(SIGTERM);
  EXPECT_EQ(daemon.wait(), 0);
}

TEST_F(DaemonTest, RunsWithoutItsServersWhenTheyAreTurnedOff) {
  Child daemon{flags({"--healthz-bind-address=", "--metrics-port=0",
                      "--metrics-bind-address="
                      "127.0.0.1:1"})};
  daemon.line_with("are in force");
  EXPECT_EQ(status()["listening"].size(), 0U);
}

}  // namespace
}  // namespace proxy
