#include "modes/netfilter/joint_watch.hpp"

#include <sys/epoll.h>

#include <cerrno>

namespace modes::netfilter {

proxy::Result<proxy::UniqueFd> watch_jointly(std::initializer_list<int> fds) {
  proxy::UniqueFd epoll{::epoll_create1(EPOLL_CLOEXEC)};
  if (!epoll) return proxy::system_error(errno, "create an epoll descriptor");
  for (const int fd : fds) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
      return proxy::system_error(errno, "watch a netlink socket");
    }
  }
  return epoll;
}

}  // namespace modes::netfilter
