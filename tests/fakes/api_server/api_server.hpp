// A Kubernetes API server for tests: it lists, pages, watches and streams lists by the real
// protocol over TLS, and misbehaves when it is told to.
//
// Runs on a thread of its own; every function may be called from any other thread and has taken
// effect when it returns.
#pragma once

#include "tests/fakes/api_server/certificates.hpp"
#include "tests/fakes/api_server/cluster_objects.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace fakes {

// What it does with streaming lists (sendInitialEvents).
enum class Streaming : std::uint8_t {
  offered,
  refused,  // 422, as servers that have them switched off
  ignored   // as servers older than they are: a watch from now, and no end of the initial events
};

struct ApiServerOptions {
  bool tls = true;
  std::string address = "127.0.0.1";
  std::vector<std::string> names = {"IP:127.0.0.1", "DNS:localhost"};  // in its certificate
  // Called first on its thread; to enter a network namespace.
  std::function<void()> prepare_thread = [] {};
};

// An answer instead of the right one.
struct Refusal {
  unsigned status = 500;
  std::string reason = "InternalError";
  std::string message = "the fake was told to";
  std::string headers = {};  // "Retry-After: 1\r\n"
};

class ApiServer {
 public:
  explicit ApiServer(ApiServerOptions options = {});
  ~ApiServer();
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  [[nodiscard]] std::string url() const;
  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] const CertificateAuthority& authority() const;
  // A kubeconfig for it, with this token (empty: none).
  [[nodiscard]] std::string kubeconfig(const std::string& token = {}) const;

  // ── objects ───────────────────────────────────────────────────────────────────────────────────
  // `key` is namespace/name, or name; `json` as of ClusterObjects.
  void put(const std::string& resource, const std::string& key, const std::string& json);
  void remove(const std::string& resource, const std::string& key);
  [[nodiscard]] std::vector<std::string> keys(const std::string& resource) const;

  // ── behaviour, until it is changed ────────────────────────────────────────────────────────────
  void set_streaming(Streaming streaming);
  void set_gzip(bool lists, bool watches);
  void set_token(const std::string& token);  // the only one that is accepted; empty: all
  void set_key_pair(const KeyPair& pair);    // what it shows from now on
  void require_client_certificate();
  void set_trickle(bool trickle);         // a few bytes at a time
  void set_duplicates(bool duplicates);   // every event twice
  void set_expire_tokens(bool expire);    // continue tokens are good for nothing
  void set_gone_as_event(bool as_event);  // 410 in the stream instead of as status
  void set_frozen(bool frozen);           // says nothing on any connection
  void hold_events(bool hold);            // none is sent until it is released
  void release_reversed();                // those held go out, newest first

  // ── what happens now ──────────────────────────────────────────────────────────────────────────
  // The next `times` requests whose target holds `part` are refused.
  void refuse(int times, const std::string& part, const Refusal& refusal);
  void drop_connections();     // all of them
  void drop_within_object();   // each watch gets half of an event, and is cut
  void stall_within_object();  // each watch gets half of an event, and no more
  void send_error_event(const Refusal& refusal);
  void send_bookmarks();
  void send_raw(const std::string& bytes);  // as part of each watch
  void compact();                           // versions older than now can't be watched
  void stop_listening();                    // and drops all connections
  void listen_again();                      // on the same port

  // ── what was seen ─────────────────────────────────────────────────────────────────────────────
  [[nodiscard]] std::vector<std::string> requests() const;  // targets, in order
  [[nodiscard]] int count_requests(const std::string& part) const;
  [[nodiscard]] int watches() const;  // that are going on, their first bytes sent

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fakes
