// An upstream server for tests: answers on loopback, over UDP and TCP, what the test says.
#pragma once

#include "dns/message.hpp"
#include "dns/serve/udp_socket.hpp"

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace dns::testing {

class FakeUpstream {
 public:
  struct Reply {
    Rcode rcode = Rcode::no_error;
    std::vector<std::string> a{};  // addresses of A records owned by the question
    std::uint32_t ttl = 60;
    bool truncate_udp = false;  // over UDP only TC
    bool truncate_tcp = false;  // the same over TCP
    bool silent = false;
    std::uint32_t denial_ttl = 60;            // of the SOA in denials
    std::optional<std::uint16_t> wrong_id{};  // sent first, as a forger would
    bool edns_is_an_error = false;            // FORMERR for queries with an OPT record
  };
  using Script = std::function<Reply(const std::string& name, Type type)>;

  explicit FakeUpstream(Script script);
  ~FakeUpstream();
  FakeUpstream(const FakeUpstream&) = delete;
  FakeUpstream& operator=(const FakeUpstream&) = delete;

  [[nodiscard]] proxy::config::SocketAddress address() const { return address_; }
  [[nodiscard]] int asked(const std::string& name, Type type = Type::a) const;
  [[nodiscard]] int asked_by_tcp() const;
  // Replies wait until release() is called.
  void hold();
  void release();
  // Until `count` questions for `name` have come.
  void wait_for(const std::string& name, int count) const;

 private:
  void run();
  void serve_tcp(int fd);
  [[nodiscard]] std::optional<std::vector<std::uint8_t>> answer(Bytes query, bool tcp);

  Script script_;
  proxy::UniqueFd udp_, tcp_, wake_;
  proxy::config::SocketAddress address_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::map<std::pair<std::string, Type>, int> asked_;
  int tcp_count_ = 0;
  bool held_ = false;
  std::vector<std::thread> connections_;
  std::thread thread_;
};

}  // namespace dns::testing
