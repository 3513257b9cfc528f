// The DNS server of a node: sockets, threads, and the zone they answer from.
//
//   control thread ── records ──► ZoneBuilder ── Published<Zone> ──► workers (UDP, one a core)
//                                                              └───► service thread (TCP,
//                                                              upstreams)
//
// All calls are the control thread's unless said otherwise.
#pragma once

#include "dns/forward/options.hpp"
#include "dns/node/node_local.hpp"
#include "dns/responder.hpp"
#include "dns/serve/tcp_service.hpp"
#include "dns/zone.hpp"
#include "proxy/config/values.hpp"
#include "proxy/log.hpp"
#include "proxy/name_service.hpp"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace dns::serve {

struct ServerOptions {
  std::vector<proxy::config::SocketAddress> listen;      // UDP and TCP; port 0: the kernel chooses
  std::vector<proxy::config::SocketAddress> node_local;  // the same, made this node's own first
  unsigned workers = 0;          // UDP threads; 0: one for each CPU we may use
  std::uint32_t rate_limit = 0;  // see Shared
  ZoneOptions zone;
  ResponderOptions responder;
  TcpLimits tcp;
  bool log_queries = false;
  forward::Options forward;
};

class Server : public proxy::NameService {
 public:
  // Binds all addresses and starts the threads. Fails with the first address that cannot be bound;
  // nothing runs then. Where another process of ours serves one of them, ours waits with binding
  // until it has the first full list of records: so a new process takes over from an old one, and
  // no query is lost or answered worse meanwhile.
  [[nodiscard]] static Result<std::unique_ptr<Server>> start(ServerOptions options,
                                                             proxy::Log& log);
  ~Server() override;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void replace(std::span<const proxy::records::Record> all) override;
  void change(std::span<const proxy::sources::Change> changes) override;
  void query(std::string_view name, std::string_view type, Answer answer) override;
  [[nodiscard]] bool ready() const override;
  [[nodiscard]] std::vector<std::string> listening() const override;
  [[nodiscard]] std::string metrics() const override;
  // Also ends the threads. Done by the destructor, too.
  void stop() override;

  // What is listened on, with the ports that the kernel chose.
  [[nodiscard]] const std::vector<proxy::config::SocketAddress>& addresses() const;

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace dns::serve
