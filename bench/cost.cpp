#include "bench/cost.hpp"

#include "bench/report.hpp"

#include <fmt/format.h>

#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace bench {
namespace {

double milliseconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_usec) / 1e3;
}

Cost difference(const rusage& before, const rusage& after, double wall) {
  return {wall, milliseconds(after.ru_utime) - milliseconds(before.ru_utime),
          milliseconds(after.ru_stime) - milliseconds(before.ru_stime)};
}

}  // namespace

Cost measured(int who, const std::function<void()>& work) {
  rusage before{}, after{};
  getrusage(who, &before);
  const auto start = std::chrono::steady_clock::now();
  work();
  const std::chrono::duration<double, std::milli> wall = std::chrono::steady_clock::now() - start;
  getrusage(who, &after);
  return difference(before, after, wall.count());
}

void report(const std::string& what, const std::string& key, const Cost& cost) {
  fmt::print("{:<46} {:>9.2f} {:>9.2f} {:>9.2f}\n", what, cost.wall, cost.user, cost.kernel);
  figure(key + ".wall_ms", cost.wall);
  figure(key + ".user_ms", cost.user);
  figure(key + ".kernel_ms", cost.kernel);
  std::fflush(stdout);
}

double memory(const std::string& key) {
  std::ifstream status{"/proc/self/status"};
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key + ":"))
      return std::strtod(line.c_str() + key.size() + 1, nullptr) / 1024;
  }
  return 0;
}

void in_namespace(const std::function<void()>& work) {
  std::fflush(stdout);
  const auto pid = fork();
  if (pid < 0) fail("fork");
  if (pid == 0) {
    if (unshare(CLONE_NEWNET) != 0) fail("a network namespace needs root");
    // Without any local address IPVS takes none for that of a host.
    if (std::system("ip link set lo up") != 0) fail("ip link set lo up");
    work();
    std::fflush(stdout);
    _exit(0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  if (status != 0) fail("a side did not finish");
}

bool feed(const std::string& program, const std::string& option, const std::string& input) {
  const int fd = memfd_create("input", 0);
  if (fd < 0 || write(fd, input.data(), input.size()) != static_cast<ssize_t>(input.size())) {
    fail("memfd");
  }
  const auto pid = fork();
  if (pid == 0) {
    lseek(fd, 0, SEEK_SET);
    dup2(fd, STDIN_FILENO);
    execlp(program.c_str(), program.c_str(), option.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  close(fd);
  return status == 0;
}

}  // namespace bench
