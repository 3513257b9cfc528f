#include "tests/netns/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

namespace netns {
namespace {

using proxy::UniqueFd;

constexpr int kCannotStart = 127;  // as shells have it

UniqueFd memory_file(std::string_view content) {
  UniqueFd fd{::memfd_create("lab", MFD_CLOEXEC)};
  if (!fd) fail_with_errno("memfd_create");
  if (!content.empty() && ::write(fd.get(), content.data(), content.size()) < 0) {
    fail_with_errno("write memfd");
  }
  ::lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

// Between fork and exec: only what signal handlers may call.
[[noreturn]] void become(int net, int input, int output, pid_t parent, char* const* arguments) {
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const bool ready = ::getppid() == parent && ::setns(net, CLONE_NEWNET) == 0 &&
                     ::dup2(input, STDIN_FILENO) >= 0 && ::dup2(output, STDOUT_FILENO) >= 0 &&
                     ::dup2(output, STDERR_FILENO) >= 0;
  if (ready) ::execvp(arguments[0], arguments);
  ::_exit(kCannotStart);
}

}  // namespace

Process::Process(const NetworkNamespace& net, const std::vector<std::string>& arguments,
                 std::string_view input)
    : output_{memory_file({})} {
  const auto in = memory_file(input);
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (const auto& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  // Appending keeps what two writers (the program and its own children) say apart.
  ::fcntl(output_.get(), F_SETFL, O_APPEND);

  const auto parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) fail_with_errno("fork");
  if (pid_ == 0) become(net.fd(), in.get(), output_.get(), parent, pointers.data());
  pidfd_ = UniqueFd{static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0))};
  if (!pidfd_) fail_with_errno("pidfd_open");
}

Process::~Process() {
  if (!pidfd_ || status_) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::optional<int> Process::wait(std::chrono::milliseconds patience) {
  if (status_) return status_;
  pollfd ended{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
  if (::poll(&ended, 1, static_cast<int>(patience.count())) <= 0) return std::nullopt;
  int status = 0;
  if (::waitpid(pid_, &status, 0) != pid_) fail_with_errno("waitpid");
  status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return status_;
}

void Process::signal(int number) const {
  if (!status_) ::kill(pid_, number);
}

std::string Process::output() const {
  std::string text;
  std::array<char, 65536> buffer;
  while (true) {
    const auto size =
        ::pread(output_.get(), buffer.data(), buffer.size(), static_cast<off_t>(text.size()));
    if (size <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(size));
  }
}

Finished run(const NetworkNamespace& net, const std::vector<std::string>& arguments,
             std::string_view input) {
  Process process{net, arguments, input};
  const auto status = process.wait(std::chrono::seconds{30});
  if (!status) throw LabError{arguments.front() + " does not end:\n" + process.output()};
  return {.status = *status, .output = process.output()};
}

std::string run_or_fail(const NetworkNamespace& net, const std::vector<std::string>& arguments,
                        std::string_view input) {
  auto finished = run(net, arguments, input);
  if (finished.status != 0) {
    std::string command;
    for (const auto& argument : arguments) command += argument + ' ';
    throw LabError{command + "ends with status " + std::to_string(finished.status) + ":\n" +
                   finished.output};
  }
  return std::move(finished.output);
}

}  // namespace netns
