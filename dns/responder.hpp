// From a query's bytes to the reply's: everything the cluster's own names are asked for.
//
// Pure: no socket, clock or log; allocates nothing. What is not ours is handed back with the name
// to ask an upstream for, and finished by whoever has the upstream's answer (forward/answer.hpp).
#pragma once

#include "dns/response.hpp"
#include "dns/zone.hpp"

#include <chrono>
#include <optional>
#include <vector>

namespace dns {

struct ResponderOptions {
  bool recursion = false;  // there are upstreams; without, what is outside the zone is REFUSED
  std::vector<LowerName> only_below{};  // they know no other names; empty: they know all
  bool autopath = false;
  std::vector<LowerName> search{};       // autopath: what follows the cluster's own domains
  std::vector<proxy::IpPrefix> allow{};  // clients that are answered; empty: all
  std::vector<IpAddress> name_server_addresses{};  // of ns.dns.<zone> where there is no DNS service
  std::optional<SipKey> cookie_key{};              // absent: COOKIE options are ignored
  std::chrono::milliseconds tcp_idle{30'000};      // told to clients that ask (RFC 7828)
};

// Who asks, and when.
struct Asking {
  IpAddress client;
  bool stream = false;         // TCP: no size limit but the protocol's
  bool exempt = false;         // answered whoever may ask: this host's administrator
  std::uint32_t now = 0;       // Unix time, seconds (cookies)
  std::uint32_t rotation = 0;  // any well-mixed number: which record of a set comes first
};

// One query while it is being answered; a worker has one and uses it again and again.
struct Exchange {
  Query query;
  Response response;

  // Set when an upstream is to be asked:
  LowerName ask;         // this name, of the query's type
  bool aliased = false;  // the reply already holds CNAMEs that lead to `ask`
  Response::Offset owner = Response::kQuestion;  // where the reply has `ask`, or kNowhere
  // autopath: `ask` was one of several candidates. If it does not exist, respond() is to be called
  // again with `autopath_step` as it is now.
  std::size_t autopath_step = 0;
  bool may_try_next = false;
  bool short_form = false;  // the name was service.namespace, without the domain
  LowerName scratch;
};

enum class Next : std::uint8_t {
  drop,          // say nothing
  send,          // exchange.response is finished
  ask_upstream,  // exchange.response is begun: header, question, perhaps CNAMEs
};

struct Outcome {
  Next next = Next::drop;
  std::size_t size = 0;  // of the reply, for Next::send
};

class Responder {
 public:
  explicit Responder(ResponderOptions options);

  // Answers `message` into `into` (at least 512 bytes; 1232 for UDP and 65535 for TCP to be of
  // use). `exchange.autopath_step` is 0 for a fresh query.
  [[nodiscard]] Outcome respond(const Zone& zone, Bytes message, const Asking& asking,
                                Exchange& exchange, MutableBytes into) const;

  [[nodiscard]] const ResponderOptions& options() const { return options_; }

 private:
  [[nodiscard]] bool is_allowed(const IpAddress& client) const;
  [[nodiscard]] bool has_upstream(const LowerName& name) const;
  void begin(const Asking& asking, Exchange& exchange, MutableBytes into) const;
  [[nodiscard]] Rcode refusal(const Query& query, const Asking& asking) const;
  [[nodiscard]] Rcode rcode_for_cookie(const Query& query, const Asking& asking) const;
  [[nodiscard]] Next answer(const Zone& zone, const Asking& asking, Exchange& exchange) const;
  [[nodiscard]] Next answer_reverse(const Zone& zone, const IpAddress& address,
                                    const Asking& asking, Exchange& exchange) const;
  [[nodiscard]] Next ask_for_question(const Asking& asking, Exchange& exchange) const;
  [[nodiscard]] Next follow(const Zone& zone, Zone::Match match, const Asking& asking,
                            Exchange& exchange) const;
  [[nodiscard]] std::optional<Next> autopath(const Zone& zone, const Asking& asking,
                                             Exchange& exchange) const;

  ResponderOptions options_;
};

}  // namespace dns
