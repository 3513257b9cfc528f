// A daemon of the userspace mode that gives way to the next one while clients connect all the time
// and a long connection goes on (SIGUSR2).
#include "tests/netns/daemon_lab.hpp"
#include "tests/netns/process.hpp"
#include "tests/netns/web_lab.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <fstream>
#include <random>
#include <sstream>
#include <thread>

namespace netns {
namespace {

using proxy::UniqueFd;
using std::chrono::seconds;

constexpr int kSuccessions = 3;

constexpr const char* kStreamService = R"(
apiVersion: v1
kind: Service
metadata: {namespace: ns1, name: stream}
spec: {type: NodePort, clusterIP: 172.30.0.77, ports: [{name: echo, port: 7000, nodePort: 30077}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: ns1, name: stream-4, labels: {kubernetes.io/service-name: stream}}
addressType: IPv4
ports: [{name: echo, port: 7000, protocol: TCP}]
endpoints: [{addresses: [10.180.1.9], nodeName: node-b}]
)";

UniqueFd socket_in(const NetworkNamespace& net) {
  const Inside inside{net};
  UniqueFd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const timeval patience{.tv_sec = 20, .tv_usec = 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  return fd;
}

bool connect_to(int fd, const SocketAddress& to) {
  const auto kernel = to_kernel(to);
  return ::connect(fd, kernel.get(), kernel.length) == 0;
}

// Says everything back that the one connection says which it accepts.
class Echo {
 public:
  Echo(const Party& party, const SocketAddress& at) : listener_{socket_in(party.net)} {
    const auto kernel = to_kernel(at);
    EXPECT_EQ(::bind(listener_.get(), kernel.get(), kernel.length), 0);
    EXPECT_EQ(::listen(listener_.get(), 8), 0);
    thread_ = std::jthread{[this] {
      const UniqueFd fd{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
      std::vector<char> bytes(65536);
      while (true) {
        const auto got = ::recv(fd.get(), bytes.data(), bytes.size(), 0);
        if (got <= 0) return;
        for (ssize_t sent = 0; sent < got;) {
          const auto some = ::send(fd.get(), bytes.data() + sent,
                                   static_cast<std::size_t>(got - sent), MSG_NOSIGNAL);
          if (some <= 0) return;
          sent += some;
        }
      }
    }};
  }

 private:
  UniqueFd listener_;
  std::jthread thread_;
};

// Connects again and again, each time for the whole answer.
class Clients {
 public:
  Clients(const Party& party, SocketAddress to)
      : thread_{[this, &party, to](const std::stop_token& stop) {
          while (!stop.stop_requested()) once(party, to);
        }} {}
  [[nodiscard]] int served() const { return served_; }
  [[nodiscard]] int failed() const { return failed_; }

 private:
  void once(const Party& party, const SocketAddress& to) {
    const auto fd = socket_in(party.net);
    std::array<char, 4096> answer{};
    std::size_t size = 0;
    bool good = connect_to(fd.get(), to);
    while (good) {
      const auto got = ::recv(fd.get(), answer.data(), answer.size(), 0);
      good = got >= 0;
      if (got <= 0) break;
      size += static_cast<std::size_t>(got);
    }
    ++(good && size > 0 ? served_ : failed_);
  }

  std::atomic<int> served_ = 0, failed_ = 0;
  std::jthread thread_;
};

// One connection that goes on and on: what it sends comes back as it was.
class Stream {
 public:
  Stream(const Party& party, const SocketAddress& to) : fd_{socket_in(party.net)} {
    EXPECT_TRUE(connect_to(fd_.get(), to));
    thread_ = std::jthread{[this](const std::stop_token& stop) {
      std::mt19937 engine{7};
      while (good_ && !stop.stop_requested()) once(engine);
    }};
  }
  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  void once(std::mt19937& engine) {
    std::vector<char> sent(50'000), received(sent.size());
    std::ranges::generate(sent, [&] { return static_cast<char>(engine()); });
    good_ = ::send(fd_.get(), sent.data(), sent.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(sent.size()) &&
            ::recv(fd_.get(), received.data(), received.size(), MSG_WAITALL) ==
                static_cast<ssize_t>(received.size()) &&
            sent == received;
    bytes_ += sent.size();
  }

  UniqueFd fd_;
  std::atomic<bool> good_ = true;
  std::atomic<std::uint64_t> bytes_ = 0;
  std::jthread thread_;
};

// Daemons that follow one another live in a PID namespace: none outlives the test, whoever started
// it. The first process there stays, as others would end with it.
const std::string kStays = "while :; do sleep 1000; done";
const std::vector<std::string> kTogether{
    "unshare", "--pid", "--fork", "--kill-child", "sh", "-c", "\"$@\" & " + kStays, "sh"};

class Succession : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (const auto why = why_no_namespaces(); !why.empty()) GTEST_SKIP() << why;
    lab_.emplace(usual_settings(), "userspace");
    lab_->apply(kWebService);
    lab_->cluster().apply(parse_object(YAML::LoadAll(kStreamService)[0]));
    lab_->cluster().apply(parse_object(YAML::LoadAll(kStreamService)[1]));
  }

  void start(const std::vector<std::string>& launcher) {
    auto flags = flags_for(usual_settings(), "userspace");
    flags.push_back(std::string{"--userspace-listen="} + GetParam());
    daemon_.emplace(lab_->node(), lab_->cluster(), flags, launcher);
    daemon_->wait_until_healthy();
    ASSERT_TRUE(comes_true([&] { return times("are in force") >= 1; })) << said();
  }

  [[nodiscard]] std::string said() { return daemon_->process().output(); }
  [[nodiscard]] int times(const std::string& text) {
    const auto all = said();
    int count = 0;
    for (auto at = all.find(text); at != std::string::npos; at = all.find(text, at + 1)) ++count;
    return count;
  }
  template <class Condition>
  [[nodiscard]] static bool comes_true(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + seconds{30};
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  // By its number in the namespace that kTogether makes, where the first daemon is process 2.
  void signal_daemon(const std::string& process) {
    const auto launcher = std::to_string(daemon_->process().pid());
    std::ifstream children{"/proc/" + launcher + "/task/" + launcher + "/children"};
    std::string first;
    children >> first;
    run_or_fail(lab_->node().net,
                {"nsenter", "--target", first, "--pid", "sh", "-c", "kill -USR2 " + process});
  }
  [[nodiscard]] std::string last_successor() {
    const auto all = said();
    const auto end = all.rfind(" is to take over");
    const auto begin = all.rfind(' ', end - 1) + 1;
    return all.substr(begin, end - begin);
  }

  std::optional<DaemonLab> lab_;
  std::optional<Daemon> daemon_;
};

TEST_P(Succession, RefusesNobodyAndCutsNoConnection) {
  start(kTogether);
  const bool direct = std::string{GetParam()} == "direct";
  const auto node = address("192.168.0.2");
  const SocketAddress web{direct ? node : address("172.30.0.41"),
                          Port{static_cast<std::uint16_t>(direct ? 30001 : 80)}};
  const SocketAddress echo{direct ? node : address("172.30.0.77"),
                           Port{static_cast<std::uint16_t>(direct ? 30077 : 7000)}};
  const auto endpoint = address("10.180.1.9");
  const Echo echoing{lab_->topology().owner(endpoint), {endpoint, Port{7000}}};
  auto& pod = lab_->topology().owner(address("10.180.0.100"));
  auto& outside = lab_->topology().owner(address("203.0.113.2"));
  const SocketAddress node_port{node, Port{30001}};

  const Stream stream{pod, echo};
  const Clients inside{pod, web}, more{pod, web}, from_outside{outside, node_port};
  std::string process = "2";
  for (int i = 1; i <= kSuccessions; ++i) {
    signal_daemon(process);
    ASSERT_TRUE(comes_true([&] { return times("taken over") >= i; })) << said();
    ASSERT_TRUE(comes_true([&] { return times("are in force") > i; })) << said();
    process = last_successor();
    const auto served = inside.served() + from_outside.served();
    ASSERT_TRUE(comes_true([&] { return inside.served() + from_outside.served() > served + 100; }));
  }
  // The ones before no longer steer, and no longer accept, by then.
  const auto served = inside.served();
  EXPECT_TRUE(comes_true([&] { return inside.served() > served + 500; }));

  EXPECT_EQ(inside.failed() + more.failed() + from_outside.failed(), 0) << said();
  EXPECT_TRUE(stream.good()) << said();
  EXPECT_GT(stream.bytes(), 1'000'000U);
}

TEST_P(Succession, ThatCannotBeginLeavesTheDaemonAsItIs) {
  start({"unshare", "--pid", "--fork", "--kill-child", "sh", "-c",
         "cp \"$1\" /run/copy; shift; /run/copy \"$@\" & " + kStays, "sh"});
  run_or_fail(lab_->node().net, {"rm", "/run/copy"});
  signal_daemon("3");  // the shell copied it before
  ASSERT_TRUE(comes_true([&] { return times("SIGUSR2") >= 1; })) << said();
  auto& outside = lab_->topology().owner(address("203.0.113.2"));
  const Clients clients{outside, {address("192.168.0.2"), Port{30001}}};
  EXPECT_TRUE(comes_true([&] { return clients.served() > 200; }));
  EXPECT_EQ(clients.failed(), 0) << said();
}

INSTANTIATE_TEST_SUITE_P(Userspace, Succession, testing::Values("steered", "direct"),
                         [](const auto& mode) { return std::string{mode.param}; });

}  // namespace
}  // namespace netns
