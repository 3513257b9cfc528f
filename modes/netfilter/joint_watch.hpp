// Several descriptors awaited as one.
#pragma once

#include "proxy/result.hpp"
#include "proxy/unique_fd.hpp"

#include <initializer_list>

namespace modes::netfilter {

// One that is readable when any of `fds` is (epoll(7)). They stay the caller's, and have to be open
// as long as it is. Fails for lack of descriptors or memory.
[[nodiscard]] proxy::Result<proxy::UniqueFd> watch_jointly(std::initializer_list<int> fds);

}  // namespace modes::netfilter
