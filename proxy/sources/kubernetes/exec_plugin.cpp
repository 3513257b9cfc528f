#include "proxy/sources/kubernetes/exec_plugin.hpp"

#include "proxy/records/fields.hpp"
#include "proxy/records/json_parser.hpp"
#include "proxy/records/timestamp.hpp"
#include "proxy/sources/kubernetes/base64.hpp"
#include "proxy/unique_fd.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <memory>
#include <vector>

namespace proxy::sources::kubernetes {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kLargestOutput = std::size_t{1} << 20;
constexpr std::size_t kShownErrors = 300;  // bytes at the end of standard error

std::string quoted(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string json = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      json += {'\\', c};
    } else if (byte < 0x20) {
      json += "\\u00";
      json += {kHex[byte >> 4], kHex[byte & 15]};
    } else {
      json += c;
    }
  }
  return json + '"';
}

// Everything in a memory file.
std::string content(const UniqueFd& file) {
  std::string text;
  std::array<char, 4096> chunk;
  while (text.size() < kLargestOutput) {
    const auto got =
        ::pread(file.get(), chunk.data(), chunk.size(), static_cast<off_t>(text.size()));
    if (got <= 0) break;
    text.append(chunk.data(), static_cast<std::size_t>(got));
  }
  return text;
}

std::string last_words(const UniqueFd& errors) {
  auto text = content(errors);
  while (text.ends_with('\n')) text.pop_back();
  if (text.size() > kShownErrors) text.erase(0, text.size() - kShownErrors);
  return text;
}

std::vector<std::string> environment_for(const ExecPlugin& plugin, const std::string& info) {
  std::vector<std::string> variables;
  const auto is_set_anew = [&](std::string_view entry) {
    const auto name = entry.substr(0, entry.find('='));
    if (name == "KUBERNETES_EXEC_INFO") return true;
    for (const auto& [key, value] : plugin.environment) {
      if (name == key) return true;
    }
    return false;
  };
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!is_set_anew(*entry)) variables.emplace_back(*entry);
  }
  for (const auto& [key, value] : plugin.environment) variables.push_back(key + "=" + value);
  variables.push_back("KUBERNETES_EXEC_INFO=" + info);
  return variables;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (auto& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

// A child process, killed and reaped if it is still there at the end.
class Child {
 public:
  Child() = default;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    (void)wait();
  }

  Result<void> start(const ExecPlugin& plugin, const std::string& info, int output, int errors) {
    auto words = plugin.arguments;
    words.insert(words.begin(), plugin.command);
    auto variables = environment_for(plugin, info);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
    // We ignore these; a plugin should not.
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t usual;
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    sigaddset(&usual, SIGHUP);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    const int failed = ::posix_spawnp(&pid_, plugin.command.c_str(), &actions, &attributes,
                                      pointers(words).data(), pointers(variables).data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (failed == 0) return {};
    pid_ = -1;
    return system_error(failed, "start it");
  }
  [[nodiscard]] UniqueFd descriptor() const {
    return UniqueFd{static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0))};
  }
  // The status as of waitpid(2).
  int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_ = -1;
};

// True when the process has ended; false when the time is over.
asio::awaitable<bool> ends_within(UniqueFd process, Duration patience) {
  const auto executor = co_await asio::this_coro::executor;
  // Shared with a deadline whose handler may be under way already when the process ends.
  const auto ended = std::make_shared<asio::posix::stream_descriptor>(executor, process.release());
  asio::steady_timer deadline{executor, patience};
  deadline.async_wait([ended](boost::system::error_code cancelled) {
    if (!cancelled) ended->cancel();
  });
  const auto [failed] = co_await ended->async_wait(asio::posix::stream_descriptor::wait_read,
                                                   asio::as_tuple(asio::use_awaitable));
  co_return !failed;
}

}  // namespace

Result<ExecCredential> read_exec_credential(std::string_view json, std::string_view api_version) {
  records::json::Parser parser;
  const auto parsed = parser.parse(json);
  if (!parsed) return parsed.error();
  records::json::Reading reading;
  const records::json::Fields root{*parsed, {}, reading};
  if (root.text("kind") != "ExecCredential") root.fail("kind", "is not ExecCredential");
  if (root.text("apiVersion") != api_version) {
    root.fail("apiVersion", "is not " + std::string{api_version});
  }
  const auto status = root.object("status");
  ExecCredential credential{.token = std::string{status.text("token")},
                            .certificate = std::string{status.text("clientCertificateData")},
                            .key = std::string{status.text("clientKeyData")},
                            .expires = std::nullopt};
  if (const auto time = status["expirationTimestamp"]) {
    credential.expires = records::parse_rfc3339(time->text());
    if (!credential.expires) time->fail("is not a time");
  }
  if (credential.certificate.empty() != credential.key.empty()) {
    root.fail("status", "clientCertificateData and clientKeyData go together");
  }
  if (credential.token.empty() && credential.certificate.empty()) {
    root.fail("status", "holds no credentials");
  }
  if (reading.failed()) return invalid(reading.failure());
  return credential;
}

std::string exec_info(const Access& access, const std::string& ca) {
  auto info = R"({"kind":"ExecCredential","apiVersion":)" + quoted(access.exec->api_version) +
              R"(,"spec":{"interactive":false)";
  if (access.exec->provide_cluster_info) {
    info += R"(,"cluster":{"server":)" + quoted(access.servers.front().text());
    if (!access.tls_server_name.empty()) {
      info += R"(,"tls-server-name":)" + quoted(access.tls_server_name);
    }
    if (access.insecure) info += R"(,"insecure-skip-tls-verify":true)";
    if (!ca.empty()) {
      info += R"(,"certificate-authority-data":)" + quoted(to_base64(ca));
    }
    if (const auto& proxy = access.proxy.always) {
      info += R"(,"proxy-url":)" + quoted(proxy->text());
    }
    info += '}';
  }
  return info + "}}";
}

asio::awaitable<Result<ExecCredential>> run_exec_plugin(Access access, std::string ca,
                                                        Duration patience) {
  const auto& plugin = *access.exec;
  const auto what = "exec plugin " + plugin.command;
  // Memory files rather than pipes: nobody has to empty them while the plugin runs, and a child of
  // its that lives on keeps nobody waiting.
  const UniqueFd output{::memfd_create("exec-plugin-output", MFD_CLOEXEC)};
  const UniqueFd errors{::memfd_create("exec-plugin-errors", MFD_CLOEXEC)};
  if (!output || !errors) co_return system_error(errno, what);
  Child child;
  if (const auto started = child.start(plugin, exec_info(access, ca), output.get(), errors.get());
      !started) {
    auto error = within(what, started.error());
    if (!plugin.install_hint.empty()) error.context += " (" + plugin.install_hint + ")";
    co_return error;
  }
  auto process = child.descriptor();
  if (!process) co_return system_error(errno, what);
  if (!co_await ends_within(std::move(process), patience)) {
    co_return system_error(ETIMEDOUT, what);
  }
  const int status = child.wait();
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    const auto ended = WIFEXITED(status) ? "status " + std::to_string(WEXITSTATUS(status))
                                         : "signal " + std::to_string(WTERMSIG(status));
    const auto words = last_words(errors);
    co_return invalid(what + ": ended with " + ended + (words.empty() ? "" : ": " + words));
  }
  auto credential = read_exec_credential(content(output), plugin.api_version);
  if (!credential) co_return within(what, credential.error());
  co_return *std::move(credential);
}

}  // namespace proxy::sources::kubernetes
