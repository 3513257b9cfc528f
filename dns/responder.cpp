#include "dns/responder.hpp"

#include "dns/zone_answer.hpp"

#include <algorithm>

namespace dns {

namespace {

constexpr auto kAnswer = Response::Section::answer;

// An alias leads to an alias at most this often; more is a loop somebody configured.
constexpr int kMaxAliases = 16;

bool is_alias(const Zone::Match& match) {
  return match.kind == Zone::Kind::service && match.service->kind == ServiceKind::alias &&
         !match.service->target.empty();
}

// Whether aliases lead anywhere in the end. To be known before any is written: a reply that runs
// out of room would hide a loop.
bool has_end(const Zone& zone, Zone::Match match) {
  LowerName name;
  for (int aliases = 0; is_alias(match); ++aliases) {
    if (aliases == kMaxAliases || !name.assign(bytes_of(match.service->target))) return false;
    match = zone.find(name);
  }
  return true;
}

ZoneAnswer records_of(const Zone& zone, const Asking& asking, Exchange& exchange,
                      const ResponderOptions& options) {
  return {zone, exchange.response, asking.rotation, options.name_server_addresses};
}

Next deny(ZoneAnswer records, Exchange& exchange, Rcode rcode) {
  exchange.response.set_rcode(rcode);
  records.write_denial(exchange.query.name);
  return Next::send;
}

}  // namespace

Responder::Responder(ResponderOptions options) : options_{std::move(options)} {}

bool Responder::is_allowed(const IpAddress& client) const {
  return options_.allow.empty() ||
         std::any_of(options_.allow.begin(), options_.allow.end(),
                     [&](const auto& prefix) { return prefix.contains(client); });
}

bool Responder::has_upstream(const LowerName& name) const {
  if (!options_.recursion || options_.only_below.empty()) return options_.recursion;
  return std::any_of(options_.only_below.begin(), options_.only_below.end(),
                     [&](const auto& domain) { return name.is_below_or_at(domain); });
}

void Responder::begin(const Asking& asking, Exchange& exchange, MutableBytes into) const {
  const auto& query = exchange.query;
  auto& response = exchange.response;
  std::size_t limit = kMaxMessage;
  if (!asking.stream) {
    limit = kPlainUdpSize;
    if (query.edns) {
      limit = std::clamp<std::size_t>(query.edns->udp_size, kPlainUdpSize, kMaxUdpSize);
    }
  }
  response.begin(into, query, limit);
  if (options_.recursion) response.set_flags(flag::kRecursionAvailable);
  if (!query.edns) return;
  Response::EdnsReply edns{.dnssec_ok = query.edns->dnssec_ok, .cookie = {}, .keepalive = {}};
  if (options_.cookie_key && !query.edns->cookie.empty()) {
    edns.cookie = make_cookie(*options_.cookie_key, query.edns->cookie, asking.client, asking.now);
  }
  if (asking.stream && query.edns->tcp_keepalive) {
    edns.keepalive = static_cast<std::uint16_t>(options_.tcp_idle / std::chrono::milliseconds{100});
  }
  response.set_edns(edns);
}

// What a well-formed message is not answered for, whatever its name; no_error for none of it.
Rcode Responder::refusal(const Query& query, const Asking& asking) const {
  if (query.opcode() != kOpcodeQuery) return Rcode::not_implemented;
  if (!asking.exempt && !is_allowed(asking.client)) return Rcode::refused;
  if (query.edns && query.edns->version != 0) return Rcode::bad_version;
  if (query.klass != kClassIn) return Rcode::refused;
  if (query.type == Type::axfr || query.type == Type::ixfr) return Rcode::refused;
  if (query.type == Type::opt) return Rcode::format_error;
  return Rcode::no_error;
}

// RFC 7873 §5.4: to a query without a question.
Rcode Responder::rcode_for_cookie(const Query& query, const Asking& asking) const {
  if (!asking.exempt && !is_allowed(asking.client)) return Rcode::refused;
  if (query.edns->version != 0) return Rcode::bad_version;
  if (!options_.cookie_key) return Rcode::format_error;
  const Bytes cookie = query.edns->cookie;
  const bool is_ours = cookie.size() == kClientCookieSize ||  // it has none yet
                       is_valid_cookie(*options_.cookie_key, cookie, asking.client, asking.now);
  return is_ours ? Rcode::no_error : Rcode::bad_cookie;
}

Outcome Responder::respond(const Zone& zone, Bytes message, const Asking& asking,
                           Exchange& exchange, MutableBytes into) const {
  const auto verdict = parse_query(message, exchange.query);
  if (verdict == QueryVerdict::drop) return {};
  begin(asking, exchange, into);
  exchange.aliased = false;
  exchange.may_try_next = false;
  exchange.short_form = false;
  exchange.owner = Response::kQuestion;

  if (verdict == QueryVerdict::cookie) {
    exchange.response.set_rcode(rcode_for_cookie(exchange.query, asking));
    return {Next::send, exchange.response.finish()};
  }
  const auto rcode =
      verdict == QueryVerdict::format_error ? Rcode::format_error : refusal(exchange.query, asking);
  exchange.response.set_rcode(rcode);
  const Next next = rcode == Rcode::no_error ? answer(zone, asking, exchange) : Next::send;
  if (next != Next::send) return {next, 0};
  return {Next::send, exchange.response.finish()};
}

Next Responder::answer(const Zone& zone, const Asking& asking, Exchange& exchange) const {
  auto& response = exchange.response;
  const auto match = zone.find(exchange.query.name);
  if (match.kind == Zone::Kind::outside) {
    if (is_reverse_name(exchange.query.name)) {
      if (!zone.synced) {  // it may be ours
        response.set_rcode(Rcode::server_failure);
        return Next::send;
      }
      const auto address = parse_reverse_name(exchange.query.name);
      if (address) return answer_reverse(zone, *address, asking, exchange);
    }
    return ask_for_question(asking, exchange);
  }
  if (!zone.synced) {
    response.set_rcode(Rcode::server_failure);
    return Next::send;
  }
  response.set_flags(flag::kAuthoritative);
  exchange.short_form = match.short_form;
  if (match.kind == Zone::Kind::no_name) {
    if (options_.autopath) {
      if (const auto next = autopath(zone, asking, exchange)) return *next;
    }
    return deny(records_of(zone, asking, exchange, options_), exchange, Rcode::name_error);
  }
  return follow(zone, match, asking, exchange);
}

Next Responder::answer_reverse(const Zone& zone, const IpAddress& address, const Asking& asking,
                               Exchange& exchange) const {
  auto records = records_of(zone, asking, exchange, options_);
  auto& response = exchange.response;
  if (records.write_reverse(address, Response::kQuestion)) {
    response.set_flags(flag::kAuthoritative);
    if (exchange.query.type != Type::ptr && exchange.query.type != Type::any) {
      response.clear_records();
      records.write_reverse_denial();
    }
    return Next::send;
  }
  return ask_for_question(asking, exchange);
}

Next Responder::ask_for_question(const Asking& asking, Exchange& exchange) const {
  if (!has_upstream(exchange.query.name)) {
    exchange.response.set_rcode(Rcode::refused);
    return Next::send;
  }
  if (exchange.query.type == Type::any && !asking.stream) {
    // Big answers to small questions from addresses that may be forged: not without a handshake.
    exchange.response.set_flags(flag::kTruncated);
    return Next::send;
  }
  exchange.ask = exchange.query.name;
  return Next::ask_upstream;
}

// Writes what `match` has, and goes on where it is an alias: inside the zone here, else upstream.
Next Responder::follow(const Zone& zone, Zone::Match match, const Asking& asking,
                       Exchange& exchange) const {
  auto records = records_of(zone, asking, exchange, options_);
  auto& response = exchange.response;
  const Type type = exchange.query.type;
  const bool asks_for_alias = type == Type::cname || type == Type::any;
  if (!asks_for_alias && is_alias(match) && !has_end(zone, match)) {
    response.clear_records();
    response.set_rcode(Rcode::server_failure);
    return Next::send;
  }
  while (true) {
    if (match.kind == Zone::Kind::outside) {
      exchange.ask = exchange.scratch;
      if (has_upstream(exchange.ask)) return Next::ask_upstream;
      return Next::send;  // the CNAME alone: the client goes on from there
    }
    if (match.kind == Zone::Kind::no_name) return deny(records, exchange, Rcode::name_error);
    if (!is_alias(match)) {
      if (type == Type::any) {
        records.write_any(exchange.owner);
        return Next::send;
      }
      if (records.write(match, type, exchange.owner)) return Next::send;
      return deny(records, exchange, Rcode::no_error);
    }
    (void)exchange.scratch.assign(bytes_of(match.service->target));  // a name, or no alias
    exchange.owner = records.write_alias(bytes_of(match.service->target), exchange.owner);
    exchange.aliased = true;
    if (exchange.owner == 0 || asks_for_alias) return Next::send;
    match = zone.find(exchange.scratch);
  }
}

// A pod asks for "host" with its first search domain appended. Answers what the resolver would have
// found in the end, behind a CNAME; nullopt if no candidate leads anywhere. The candidates are the
// name with the further search domains, in order, and the bare name last.
std::optional<Next> Responder::autopath(const Zone& zone, const Asking& asking,
                                        Exchange& exchange) const {
  const auto& name = exchange.query.name;
  const auto& domain = zone.options->domain;
  if (exchange.query.type != Type::a && exchange.query.type != Type::aaaa) return std::nullopt;
  if (!name.is_below_or_at(domain)) return std::nullopt;
  const std::size_t labels = name.label_count() - domain.label_count();
  if (labels < 3) return std::nullopt;  // host, namespace, svc
  const auto space = zone.namespace_of_pod(asking.client);
  if (space.empty() || !std::ranges::equal(name.label(labels - 2), space)) return std::nullopt;
  const auto svc = name.label(labels - 1);
  if (text_of(svc) != std::string_view{"\3svc"}) return std::nullopt;

  const auto host = name.labels(0, labels - 2);
  const LowerName root;
  auto& candidate = exchange.scratch;
  const std::size_t last = 2 + options_.search.size();
  for (std::size_t step = exchange.autopath_step; step <= last; ++step) {
    bool fits = false;
    if (step == 0) {
      LowerName below_svc;
      fits = below_svc.join(svc, domain) && candidate.join(host, below_svc);
    } else if (step == 1) {
      fits = candidate.join(host, domain);
    } else {
      fits = candidate.join(host, step < last ? options_.search[step - 2] : root);
    }
    if (!fits) continue;
    const auto match = zone.find(candidate);
    if (match.kind == Zone::Kind::no_name) continue;
    if (match.kind == Zone::Kind::outside && !has_upstream(candidate)) continue;
    auto records = records_of(zone, asking, exchange, options_);
    exchange.owner = records.write_alias(candidate.wire(), Response::kQuestion);
    if (exchange.owner == 0) return std::nullopt;
    exchange.aliased = true;
    exchange.autopath_step = step + 1;
    if (match.kind != Zone::Kind::outside) {
      const auto next = follow(zone, match, asking, exchange);
      const auto& response = exchange.response;
      if (next != Next::send || response.truncated() || response.count(kAnswer) != 1) return next;
      // The candidate has nothing of the type: the name asked for has not, and needs no CNAME.
      exchange.response.clear_records();
      return deny(records, exchange, Rcode::no_error);
    }
    exchange.ask = candidate;
    exchange.may_try_next = true;
    return Next::ask_upstream;
  }
  return std::nullopt;
}

}  // namespace dns
