// Which of several addresses of the API server is asked.
//
// Pure. All followers go by the same choice; the first that finds its server dead moves it on.
#pragma once

#include "proxy/sources/kubernetes/url.hpp"

#include <cstddef>
#include <utility>
#include <vector>

namespace proxy::sources::kubernetes {

class ServerChoice {
 public:
  // `first` is where to begin, so that nodes don't all begin at the same. Requires servers.
  ServerChoice(std::vector<Url> servers, std::size_t first)
      : servers_{std::move(servers)}, at_{first % servers_.size()} {}

  [[nodiscard]] const Url& current() const { return servers_[at_]; }
  [[nodiscard]] std::size_t size() const { return servers_.size(); }
  // `server` did not do its work. One that is not the current choice any more changes nothing.
  void failed(const Url& server) {
    if (server == current()) at_ = (at_ + 1) % servers_.size();
  }

 private:
  std::vector<Url> servers_;
  std::size_t at_;
};

}  // namespace proxy::sources::kubernetes
