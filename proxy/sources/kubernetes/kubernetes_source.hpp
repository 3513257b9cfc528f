// Records from a Kubernetes API server: each resource listed and then watched.
//
// Delivers nothing until all resources have been listed once, then one snapshot, then changes. A
// cluster of which only half is known would cut services that work. What goes missing by accident
// (a connection, a server, a permission) takes no record away; a list without an object does.
#pragma once

#include "proxy/log.hpp"
#include "proxy/sources/kubernetes/access.hpp"
#include "proxy/sources/kubernetes/resource.hpp"
#include "proxy/sources/kubernetes/timing.hpp"
#include "proxy/sources/source.hpp"

#include <boost/asio/io_context.hpp>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

namespace proxy::sources::kubernetes {

class KubernetesSource final : public Source {
 public:
  struct Settings {
    Access access;
    Interests interests;
    std::filesystem::path state_file;  // empty: none
    std::string user_agent = "viaduct";
    Timing timing;
    // Each request to a server: its host and port, and the status code, or "<error>".
    std::function<void(const std::string& host, const std::string& code)> answered = nullptr;
  };

  // `log` and `io` outlive the source.
  KubernetesSource(boost::asio::io_context& io, Log& log, Settings settings);
  ~KubernetesSource() override;

  // Never fails: whatever is wrong may be right at the next attempt.
  [[nodiscard]] Result<void> start(Sink& sink) override;
  void stop() override;

 private:
  struct Following;

  boost::asio::io_context& io_;
  Log& log_;
  Settings settings_;
  std::shared_ptr<Following> following_;
};

}  // namespace proxy::sources::kubernetes
