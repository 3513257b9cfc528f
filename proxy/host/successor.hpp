// Starts this program again beside itself, and takes what a process before us hands over.
//
// Sockets go from one to the other as from a service manager (sd_listen_fds(3)): they are the
// descriptors from 3 on, and LISTEN_FDS says how many. So a socket unit of systemd and a
// predecessor of ours are one and the same to who takes them.
#pragma once

#include "proxy/result.hpp"
#include "proxy/unique_fd.hpp"

#include <sys/types.h>

#include <span>
#include <string>
#include <vector>

namespace proxy::host {

// How this process was started. The path stands for whatever program is there later on: an upgrade.
struct Program {
  std::string path;
  std::vector<std::string> arguments;    // the name it was called by first
  std::vector<std::string> environment;  // NAME=value

  // Has to be asked before the program's file is replaced. ENOENT, EACCES without /proc.
  [[nodiscard]] static Result<Program> of_this_process();
};

// Starts it with `extra` as an argument more, unless it has that already, and with these sockets,
// which stay ours as well. Its environment lacks what concerned only this process. Whether it does
// its work is another matter: the caller watches the process, which is its child.
[[nodiscard]] Result<pid_t> start_successor(const Program& program, const std::string& extra,
                                            std::span<const int> sockets);

// What was handed over to this process; nothing the second time. They are not inherited further.
[[nodiscard]] std::vector<UniqueFd> inherited_sockets();

}  // namespace proxy::host
