#include "proxy/status/admin_socket.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <thread>

namespace proxy::status {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using asio::local::stream_protocol;
using testing::StartsWith;

class AdminSocketTest : public testing::Test {
 protected:
  void SetUp() override {
    auto pattern = (fs::temp_directory_path() / "viaduct-admin-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    path_ = directory_ / "run" / "admin.sock";
  }
  void TearDown() override { fs::remove_all(directory_); }

  static mode_t mode_of(const fs::path& path) {
    struct stat info {};
    EXPECT_EQ(::lstat(path.c_str(), &info), 0);
    return info.st_mode & 0777;
  }

  fs::path directory_;
  fs::path path_;
};

AdminCommands commands() {
  return {{"status", at_once([](const auto&) { return std::string{R"({"mode":"none"})"}; })}};
}

// A daemon's side: the socket and a thread that runs it.
class Running {
 public:
  explicit Running(const fs::path& path, AdminLimits limits = {})
      : socket_{io_.get_executor(), commands(), limits} {
    const auto listening = socket_.listen(path);
    EXPECT_TRUE(listening) << listening.error();
    thread_ = std::thread{[this] { io_.run(); }};
  }
  ~Running() {
    asio::post(io_, [this] { socket_.stop(); });
    thread_.join();
  }

 private:
  asio::io_context io_;
  AdminSocket socket_;
  std::thread thread_;
};

TEST_F(AdminSocketTest, AnswersARequestAndEndsTheConnection) {
  Running daemon{path_};
  EXPECT_EQ(ask_admin(path_, R"({"command":"status"})").value(), "{\"mode\":\"none\"}\n");
  EXPECT_THAT(ask_admin(path_, "hello").value(), StartsWith(R"({"error":")"));
}

TEST_F(AdminSocketTest, AnswersBeforeTheClientClosesItsSide) {
  Running daemon{path_};
  asio::io_context io;
  stream_protocol::socket client{io};
  client.connect(stream_protocol::endpoint{path_.string()});
  asio::write(client, asio::buffer(std::string{R"({"command":"status"})"}));
  std::string reply;
  boost::system::error_code ec;
  asio::read(client, asio::dynamic_buffer(reply), ec);
  EXPECT_EQ(reply, "{\"mode\":\"none\"}\n");
}

TEST_F(AdminSocketTest, IsForItsOwnerOnly) {
  const auto before = ::umask(0);
  Running daemon{path_};
  ::umask(before);
  EXPECT_EQ(mode_of(path_), 0600U);
  EXPECT_EQ(mode_of(path_.parent_path()), 0700U);
}

TEST_F(AdminSocketTest, GoesWithTheDaemon) {
  { Running daemon{path_}; }
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(AdminSocketTest, ReplacesTheSocketOfADaemonThatDied) {
  fs::create_directories(path_.parent_path());
  {
    asio::io_context io;
    stream_protocol::acceptor dead{io, stream_protocol::endpoint{path_.string()}};
  }
  ASSERT_TRUE(fs::exists(path_));
  Running daemon{path_};
  EXPECT_TRUE(ask_admin(path_, R"({"command":"status"})"));
}

TEST_F(AdminSocketTest, DoesNotReplaceALivingDaemonsSocket) {
  Running daemon{path_};
  asio::io_context io;
  AdminSocket second{io.get_executor(), commands()};
  const auto failed = second.listen(path_);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, std::errc::address_in_use);
  second.stop();
  EXPECT_TRUE(ask_admin(path_, R"({"command":"status"})"));
}

TEST_F(AdminSocketTest, LeavesAFileThatIsNoSocketAlone) {
  fs::create_directories(path_.parent_path());
  std::ofstream{path_} << "precious";
  asio::io_context io;
  AdminSocket socket{io.get_executor(), commands()};
  const auto failed = socket.listen(path_);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, std::errc::file_exists);
  EXPECT_TRUE(fs::is_regular_file(path_));
}

TEST_F(AdminSocketTest, RefusesARequestWithoutEnd) {
  Running daemon{path_, {.request_bytes = 1000}};
  asio::io_context io;
  stream_protocol::socket client{io};
  client.connect(stream_protocol::endpoint{path_.string()});
  boost::system::error_code ec;
  asio::write(client, asio::buffer("{\"x\":\"" + std::string(1500, 'x')), ec);
  std::string reply;
  asio::read(client, asio::dynamic_buffer(reply), ec);
  EXPECT_EQ(reply, "{\"error\":\"request too large\"}\n");
}

TEST_F(AdminSocketTest, ANameThatIsTooLongIsAnError) {
  asio::io_context io;
  AdminSocket socket{io.get_executor(), commands()};
  const auto failed = socket.listen(directory_ / std::string(200, 'x'));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, std::errc::filename_too_long);
}

TEST_F(AdminSocketTest, AskingWhereNoDaemonIsFails) {
  const auto failed = ask_admin(path_, R"({"command":"status"})");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, std::errc::no_such_file_or_directory);
}

}  // namespace
}  // namespace proxy::status
