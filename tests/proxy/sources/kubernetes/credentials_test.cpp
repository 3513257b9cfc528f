// Who we are to the server: client certificates, plugins, passwords; and the ways there.
#include "tests/proxy/sources/kubernetes/cluster.hpp"
#include "tests/proxy/sources/manifests/temporary_folder.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include <sys/stat.h>

#include <fstream>
#include <thread>

namespace proxy::sources::kubernetes {
namespace {

using testing::HasSubstr;

class CredentialsTest : public SourceTest {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& text) {
    const auto path = folder_ / name;
    std::ofstream{path} << text;
    return path;
  }
  ExecPlugin plugin(const std::string& script) {
    const auto path = write("plugin", "#!/bin/sh\n" + script);
    ::chmod(path.c_str(), 0755);
    return {.api_version = "client.authentication.k8s.io/v1",
            .command = path,
            .arguments = {"argument"},
            .environment = {{"VALUE", "from-env"}},
            .install_hint = "install it",
            .provide_cluster_info = true};
  }
  static std::string credential(const std::string& token, const std::string& more = "") {
    return R"(echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":")" +
           token + "\"" + more + "}}'\n";
  }

  const manifests::TemporaryFolder folder_;
};

TEST_F(CredentialsTest, AClientCertificateFromFilesThatAreRenewed) {
  server.require_client_certificate();
  const auto first = server.authority().issue("system:kube-proxy");
  const auto certificate = write("cert.pem", first.certificate);
  const auto key = write("key.pem", "not yet");
  start([&](auto& settings) {
    settings.access.client_certificate = {.data = {}, .file = certificate};
    settings.access.client_key = {.data = {}, .file = key};
  });
  ASSERT_TRUE(runs_until([&] { return sink.has_heard("client key"); }));
  write("key.pem", first.key);
  ASSERT_TRUE(is_complete());
}

TEST_F(CredentialsTest, WithoutACertificateAServerThatWantsOneIsNotReached) {
  server.require_client_certificate();
  start();
  ASSERT_TRUE(runs_until([&] { return !sink.heard.empty(); }));
  EXPECT_EQ(sink.replacements, 0);
}

TEST_F(CredentialsTest, APluginGivesATokenAndIsAskedAgainWhenItIsRefused) {
  server.set_token("one");
  const auto count = folder_ / "runs";
  start([&](auto& settings) {
    settings.access.exec = plugin(
        "test \"$1 $VALUE\" = 'argument from-env' || exit 9\n"
        "test -n \"$KUBERNETES_EXEC_INFO\" || exit 8\n"
        "echo run >> " +
        count.string() +
        "\n"
        "token=$(cat " +
        (folder_ / "token").string() + ")\n" + credential("'$token'"));
    write("token", "one");
  });
  ASSERT_TRUE(is_complete());
  server.set_token("two");
  write("token", "two");
  server.drop_connections();
  ASSERT_TRUE(settles());
  // Three followers and two tokens.
  std::ifstream runs{count};
  const auto times = std::count(std::istreambuf_iterator<char>{runs}, {}, '\n');
  EXPECT_GE(times, 2);
  EXPECT_LE(times, 5);
}

TEST_F(CredentialsTest, APluginThatFailsIsQuoted) {
  start(
      [&](auto& settings) { settings.access.exec = plugin("echo 'log in first' >&2; exit 3\n"); });
  ASSERT_TRUE(runs_until([&] { return sink.has_heard("ended with status 3: log in first"); }));
}

TEST_F(CredentialsTest, APluginThatIsNotThereIsHintedAt) {
  start([&](auto& settings) {
    settings.access.exec = plugin("");
    settings.access.exec->command = "no-such-plugin";
  });
  ASSERT_TRUE(runs_until([&] { return sink.has_heard("(install it)"); }));
}

TEST_F(CredentialsTest, APluginThatHangsIsKilled) {
  start([&](auto& settings) {
    settings.access.exec = plugin("exec sleep 1000\n");
    settings.timing.plugin = std::chrono::milliseconds{50};
  });
  ASSERT_TRUE(runs_until([&] { return sink.has_heard("timed out"); }));
}

TEST_F(CredentialsTest, TheServersNameMayBeAnother) {
  server.set_key_pair(server.authority().issue("kube-apiserver", {"DNS:kubernetes.default.svc"}));
  start([](auto& settings) { settings.access.tls_server_name = "kubernetes.default.svc"; });
  ASSERT_TRUE(is_complete());
}

TEST_F(CredentialsTest, AnInsecureConnectionIsMadeOnlyWhereThatIsAskedFor) {
  const fakes::CertificateAuthority stranger;
  server.set_key_pair(stranger.issue("whoever"));
  start([](auto& settings) {
    settings.access.ca = {};
    settings.access.insecure = true;
  });
  ASSERT_TRUE(is_complete());
}

TEST_F(CredentialsTest, AServerByItsName) {
  start([&](auto& settings) {
    settings.access.servers = {*parse_server("https://localhost:" + std::to_string(server.port()))};
  });
  ASSERT_TRUE(is_complete());
}

// A proxy that answers CONNECT and passes bytes both ways, on threads of its own.
class ConnectProxy {
 public:
  ConnectProxy() : thread_{[this] { io_.run(); }} { accept(); }
  ~ConnectProxy() {
    io_.stop();
    thread_.join();
  }
  [[nodiscard]] std::string url() const {
    return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
  }
  std::atomic<int> connections = 0;

 private:
  using tcp = boost::asio::ip::tcp;
  struct Pipe : std::enable_shared_from_this<Pipe> {
    tcp::socket client, server;
    std::array<std::array<char, 4096>, 2> buffers{};
    explicit Pipe(tcp::socket accepted)
        : client{std::move(accepted)}, server{client.get_executor()} {}
    void pass(int way) {
      auto& from = way == 0 ? client : server;
      auto& to = way == 0 ? server : client;
      auto& buffer = buffers[static_cast<std::size_t>(way)];
      from.async_read_some(boost::asio::buffer(buffer),
                           [self = shared_from_this(), way, &to, &buffer](auto failed, auto size) {
                             boost::system::error_code ignored;
                             if (failed) {
                               self->client.close(ignored);
                               self->server.close(ignored);
                               return;
                             }
                             boost::asio::write(to, boost::asio::buffer(buffer, size), ignored);
                             self->pass(way);
                           });
    }
  };

  void accept() {
    acceptor_.async_accept([this](auto failed, tcp::socket socket) {
      if (failed) return;
      ++connections;
      const auto pipe = std::make_shared<Pipe>(std::move(socket));
      boost::system::error_code ignored;
      std::string head;
      boost::asio::read_until(pipe->client, boost::asio::dynamic_buffer(head), "\r\n\r\n", ignored);
      const auto colon = head.find(':');
      const auto port = static_cast<std::uint16_t>(std::stoi(head.substr(colon + 1)));
      pipe->server.connect({boost::asio::ip::address_v4::loopback(), port}, ignored);
      boost::asio::write(pipe->client, boost::asio::buffer("HTTP/1.1 200 OK\r\n\r\n", 19), ignored);
      pipe->pass(0);
      pipe->pass(1);
      accept();
    });
  }

  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      io_.get_executor()};
  tcp::acceptor acceptor_{io_, {boost::asio::ip::address_v4::loopback(), 0}};
  std::thread thread_;
};

TEST_F(CredentialsTest, ThroughAProxy) {
  ConnectProxy proxy;
  start([&](auto& settings) { settings.access.proxy.always = *parse_proxy(proxy.url()); });
  ASSERT_TRUE(is_complete());
  server.put("services", "shop/api", service_json("shop", "api"));
  ASSERT_TRUE(settles());
  EXPECT_GE(proxy.connections, 3);
}

}  // namespace
}  // namespace proxy::sources::kubernetes
