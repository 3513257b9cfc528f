#include "tests/fakes/api_server/api_server.hpp"

#include "tests/fakes/api_server/gzip.hpp"
#include "tests/fakes/api_server/query.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <fmt/format.h>

#include <fcntl.h>

#include <algorithm>
#include <future>
#include <optional>
#include <set>
#include <thread>

namespace fakes {
namespace {

namespace asio = boost::asio;
namespace ssl = asio::ssl;
using asio::ip::tcp;
using boost::system::error_code;
using namespace std::chrono_literals;

constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

struct ResourceType {
  std::string api_version, kind;
};
ResourceType type_of(const std::string& resource) {
  if (resource == "services") return {"v1", "Service"};
  if (resource == "endpointslices") return {"discovery.k8s.io/v1", "EndpointSlice"};
  if (resource == "endpoints") return {"v1", "Endpoints"};
  if (resource == "nodes") return {"v1", "Node"};
  if (resource == "namespaces") return {"v1", "Namespace"};
  return {"v1", "Pod"};
}

std::string status_json(const Refusal& refusal) {
  return fmt::format(
      R"({{"kind":"Status","apiVersion":"v1","metadata":{{}},"status":"Failure","message":"{}",)"
      R"("reason":"{}","code":{}}})",
      refusal.message, refusal.reason, refusal.status);
}
const Refusal kGone{.status = 410, .reason = "Expired", .message = "too old resource version"};

// Programs that a test starts must not hold our sockets open.
void keep_to_ourselves(int fd) {
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
}

std::string event_json(const std::string& type, const std::string& object) {
  return R"({"type":")" + type + R"(","object":)" + object + "}\n";
}

}  // namespace

// One connection of a client.
struct Session : std::enable_shared_from_this<Session> {
  tcp::socket socket;
  std::shared_ptr<ssl::context> context;  // null: no TLS
  std::optional<ssl::stream<tcp::socket&>> tls;
  asio::steady_timer wake;  // for who waits for something to send
  std::string pending;      // to be sent, framed
  bool closed = false;
  bool cut_when_sent = false;

  // A watch, if it is one.
  bool watching = false;
  std::string resource;
  ObjectFilter filter;
  std::optional<GzipStream> gzip;

  Session(tcp::socket accepted, std::shared_ptr<ssl::context> context_)
      : socket{std::move(accepted)}, context{std::move(context_)}, wake{socket.get_executor()} {
    wake.expires_at(asio::steady_timer::time_point::max());
  }

  void ring() { wake.cancel(); }
  void close() {
    closed = true;
    error_code ignored;
    socket.close(ignored);
    ring();
  }
  // A piece of a chunked body.
  void add_chunk(std::string_view text) {
    const auto bytes = gzip ? gzip->add(text) : std::string{text};
    if (!bytes.empty()) pending += fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
    ring();
  }
};

struct ApiServer::Impl {
  ApiServerOptions options;
  CertificateAuthority authority;
  KeyPair key_pair;
  asio::io_context io{1};
  std::optional<tcp::acceptor> acceptor;
  std::uint16_t port = 0;
  std::set<std::shared_ptr<Session>> sessions;

  ClusterObjects objects;
  std::map<std::string, std::vector<std::string>> pages;  // what is left, by continue token
  int next_token = 1;

  Streaming streaming = Streaming::offered;
  bool gzip_lists = false, gzip_watches = false;
  std::string token;
  bool client_certificates = false;
  bool trickle = false, duplicates = false, expire_tokens = false, gone_as_event = false;
  bool frozen = false, holding = false;
  std::vector<ObjectEvent> held;
  struct PlannedRefusal {
    int times;
    std::string part;
    Refusal refusal;
  };
  std::vector<PlannedRefusal> refusals;
  std::vector<std::string> requests;

  std::thread thread;

  explicit Impl(ApiServerOptions chosen) : options{std::move(chosen)} {
    key_pair = authority.issue("kube-apiserver", options.names);
    std::promise<void> ready;
    thread = std::thread{[this, &ready] {
      options.prepare_thread();
      listen();
      ready.set_value();
      const auto work = asio::make_work_guard(io);
      io.run();
    }};
    ready.get_future().get();
  }
  ~Impl() {
    call([this] {
      drop_all();
      acceptor.reset();
    });
    io.stop();
    thread.join();
  }

  // On the server's thread.
  template <class F>
  auto call(F f) -> decltype(f()) {
    std::packaged_task<decltype(f())()> task{std::move(f)};
    auto result = task.get_future();
    asio::post(io, [&task] { task(); });
    return result.get();
  }

  void listen() {
    const tcp::endpoint endpoint{asio::ip::make_address(options.address), port};
    acceptor.emplace(io);
    acceptor->open(endpoint.protocol());
    keep_to_ourselves(acceptor->native_handle());
    acceptor->set_option(tcp::acceptor::reuse_address{true});
    acceptor->bind(endpoint);
    acceptor->listen();
    port = acceptor->local_endpoint().port();
    asio::co_spawn(io, accept(), asio::detached);
  }

  void drop_all() {
    for (const auto& session : std::set{sessions}) session->close();
  }

  std::shared_ptr<ssl::context> tls_context() {
    if (!options.tls) return nullptr;
    auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
    context->use_certificate_chain(asio::buffer(key_pair.certificate));
    context->use_private_key(asio::buffer(key_pair.key), ssl::context::pem);
    if (client_certificates) {
      context->add_certificate_authority(asio::buffer(authority.certificate()));
      context->set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
    }
    return context;
  }

  asio::awaitable<void> accept() {
    while (acceptor && acceptor->is_open()) {
      auto [failed, socket] = co_await acceptor->async_accept(kAwait);
      if (failed) co_return;
      socket.set_option(tcp::no_delay{true});
      keep_to_ourselves(socket.native_handle());
      auto session = std::make_shared<Session>(std::move(socket), tls_context());
      sessions.insert(session);
      asio::co_spawn(io, serve(session), [this, session](const std::exception_ptr&) {
        session->close();
        sessions.erase(session);
      });
    }
  }

  // ── a connection ──────────────────────────────────────────────────────────────────────────────

  asio::awaitable<void> serve(std::shared_ptr<Session> session) {
    if (session->context) {
      session->tls.emplace(session->socket, *session->context);
      const auto [failed] =
          co_await session->tls->async_handshake(ssl::stream_base::server, kAwait);
      if (failed) co_return;
    }
    asio::co_spawn(io, send(session), asio::detached);
    std::string input;
    while (!session->closed) {
      const auto buffer = asio::dynamic_buffer(input);
      error_code failed;
      std::size_t size = 0;
      if (session->tls) {
        std::tie(failed, size) =
            co_await asio::async_read_until(*session->tls, buffer, kHeadEnd, kAwait);
      } else {
        std::tie(failed, size) =
            co_await asio::async_read_until(session->socket, buffer, kHeadEnd, kAwait);
      }
      if (failed) break;
      const auto head = input.substr(0, size);
      input.erase(0, size);
      session->watching = false;
      answer(*session, parse_request(head));
    }
    session->close();
  }

  asio::awaitable<void> send(std::shared_ptr<Session> session) {
    while (!session->closed) {
      if (session->pending.empty() || frozen) {
        if (session->pending.empty() && session->cut_when_sent) break;
        session->wake.expires_at(asio::steady_timer::time_point::max());
        co_await session->wake.async_wait(kAwait);
        continue;
      }
      auto bytes = std::move(session->pending);
      session->pending.clear();
      if (trickle && bytes.size() > 7) {
        session->pending = bytes.substr(7) + session->pending;
        bytes.resize(7);
      }
      const auto buffer = asio::buffer(bytes);
      error_code failed;
      std::size_t size = 0;
      if (session->tls) {
        std::tie(failed, size) = co_await asio::async_write(*session->tls, buffer, kAwait);
      } else {
        std::tie(failed, size) = co_await asio::async_write(session->socket, buffer, kAwait);
      }
      if (failed) break;
      if (trickle) {
        session->wake.expires_after(100us);
        co_await session->wake.async_wait(kAwait);
      }
    }
    session->close();
  }

  // ── requests ──────────────────────────────────────────────────────────────────────────────────

  static void respond(Session& session, unsigned status, const std::string& headers,
                      const std::string& body) {
    session.pending += fmt::format(
        "HTTP/1.1 {} X\r\nContent-Type: application/json\r\n{}Content-Length: {}\r\n\r\n{}", status,
        headers, body.size(), body);
    session.ring();
  }
  static void refuse(Session& session, const Refusal& refusal) {
    respond(session, refusal.status, refusal.headers, status_json(refusal));
  }

  void answer(Session& session, const Request& request) {
    requests.push_back(request.target);
    for (auto& planned : refusals) {
      if (planned.times == 0 || request.target.find(planned.part) == std::string::npos) continue;
      if (planned.times > 0) --planned.times;
      return refuse(session, planned.refusal);
    }
    if (!token.empty() && request.header("authorization") != "Bearer " + token) {
      return refuse(session, {.status = 401, .reason = "Unauthorized", .message = "Unauthorized"});
    }
    session.resource = request.path.substr(request.path.rfind('/') + 1);
    session.filter = {};
    for (const auto& part : split(request.parameter("labelSelector"), ',')) {
      if (part.starts_with('!')) session.filter.without_labels.push_back(part.substr(1));
    }
    const auto field = request.parameter("fieldSelector");
    if (field.starts_with("metadata.name=")) session.filter.name = field.substr(14);
    const bool takes_gzip = request.header("accept-encoding").find("gzip") != std::string::npos;
    if (request.path.find("/api") == std::string::npos) {
      respond(session, 200, "", "ok");
    } else if (request.parameter("watch") == "1") {
      watch(session, request, takes_gzip && gzip_watches);
    } else {
      list(session, request, takes_gzip && gzip_lists);
    }
  }

  void list(Session& session, const Request& request, bool gzip) {
    std::vector<std::string> items;
    auto version = objects.version();
    const auto go_on = request.parameter("continue");
    if (!go_on.empty()) {
      const auto page = pages.find(go_on);
      if (expire_tokens || page == pages.end()) return refuse(session, kGone);
      items = std::move(page->second);
      version = std::stoull(go_on.substr(go_on.find('-') + 1));
      pages.erase(page);
    } else {
      items = objects.list(session.resource, session.filter);
    }
    const auto limit = request.parameter("limit");
    const auto most = limit.empty() ? items.size() : std::stoul(limit);
    std::string next;
    if (items.size() > most) {
      next = std::to_string(next_token++) + "-" + std::to_string(version);
      const auto cut = items.begin() + static_cast<std::ptrdiff_t>(most);
      pages[next].assign(std::make_move_iterator(cut), std::make_move_iterator(items.end()));
      items.erase(cut, items.end());
    }
    const auto type = type_of(session.resource);
    auto body = fmt::format(
        R"({{"kind":"{}List","apiVersion":"{}","metadata":{{"resourceVersion":"{}","continue":"{}"}},"items":[)",
        type.kind, type.api_version, version, next);
    for (std::size_t i = 0; i < items.size(); ++i) body += (i == 0 ? "" : ",") + items[i];
    body += "]}\n";
    begin_chunked(session, gzip);
    // In pieces that end anywhere.
    for (std::size_t at = 0; at < body.size(); at += 10'000) {
      session.add_chunk(std::string_view{body}.substr(at, 10'000));
    }
    if (session.gzip) {
      const auto end = session.gzip->finish();
      session.pending += fmt::format("{:x}\r\n{}\r\n", end.size(), end);
      session.gzip.reset();
    }
    session.pending += "0\r\n\r\n";
    session.ring();
  }

  static void begin_chunked(Session& session, bool gzip) {
    session.pending += fmt::format(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{}Transfer-Encoding: chunked\r\n\r\n",
        gzip ? "Content-Encoding: gzip\r\n" : "");
    session.gzip.reset();
    if (gzip) session.gzip.emplace();
    session.ring();
  }

  void watch(Session& session, const Request& request, bool gzip) {
    const bool initial = request.parameter("sendInitialEvents") == "true";
    if (initial && streaming == Streaming::refused) {
      return refuse(session, {.status = 422,
                              .reason = "Invalid",
                              .message = "sendInitialEvents is forbidden for watch"});
    }
    const auto from = request.parameter("resourceVersion");
    if (initial || from.empty()) {
      begin_chunked(session, gzip);
      for (const auto& object : objects.list(session.resource, session.filter)) {
        session.add_chunk(event_json("ADDED", object));
      }
      if (streaming == Streaming::offered) session.add_chunk(bookmark(session.resource, true));
    } else {
      const auto missed =
          objects.changes_after(session.resource, std::stoull(from), session.filter);
      if (!missed && !gone_as_event) return refuse(session, kGone);
      begin_chunked(session, gzip);
      if (!missed) {
        session.add_chunk(event_json("ERROR", status_json(kGone)));
        session.pending += "0\r\n\r\n";
        return;
      }
      for (const auto& event : *missed) session.add_chunk(event_json(event.type, event.object));
    }
    session.watching = true;
  }

  [[nodiscard]] std::string bookmark(const std::string& resource, bool end) const {
    const auto type = type_of(resource);
    return event_json(
        "BOOKMARK",
        fmt::format(
            R"({{"kind":"{}","apiVersion":"{}","metadata":{{"resourceVersion":"{}"{},"creationTimestamp":null}}}})",
            type.kind, type.api_version, objects.version(),
            end ? R"(,"annotations":{"k8s.io/initial-events-end":"true"})" : ""));
  }

  // ── events ────────────────────────────────────────────────────────────────────────────────────

  void for_each_watch(const auto& act) {
    for (const auto& session : std::set{sessions}) {
      if (session->watching && !session->closed) act(*session);
    }
  }
  void publish(const ObjectEvent& event) {
    if (holding) {
      held.push_back(event);
      return;
    }
    for_each_watch([&](Session& session) {
      if (session.resource != event.resource || !session.filter.matches(event.object)) return;
      session.add_chunk(event_json(event.type, event.object));
      if (duplicates) session.add_chunk(event_json(event.type, event.object));
    });
  }
};

ApiServer::ApiServer(ApiServerOptions options)
    : impl_{std::make_unique<Impl>(std::move(options))} {}
ApiServer::~ApiServer() = default;

std::uint16_t ApiServer::port() const {
  return impl_->port;
}
std::string ApiServer::url() const {
  return fmt::format("{}://{}:{}", impl_->options.tls ? "https" : "http", impl_->options.address,
                     impl_->port);
}
const CertificateAuthority& ApiServer::authority() const {
  return impl_->authority;
}

std::string ApiServer::kubeconfig(const std::string& token) const {
  return fmt::format(
      "apiVersion: v1\nkind: Config\ncurrent-context: test\n"
      "clusters: [{{name: test, cluster: {{server: '{}', certificate-authority-data: {}}}}}]\n"
      "contexts: [{{name: test, context: {{cluster: test, user: test}}}}]\n"
      "users: [{{name: test, user: {{token: '{}'}}}}]\n",
      url(), base64(impl_->authority.certificate()), token);
}

void ApiServer::put(const std::string& resource, const std::string& key, const std::string& json) {
  impl_->call([&] { impl_->publish(impl_->objects.put(resource, key, json)); });
}
void ApiServer::remove(const std::string& resource, const std::string& key) {
  impl_->call([&] {
    if (const auto* event = impl_->objects.remove(resource, key)) impl_->publish(*event);
  });
}
std::vector<std::string> ApiServer::keys(const std::string& resource) const {
  return impl_->call([&] { return impl_->objects.keys(resource); });
}

void ApiServer::set_streaming(Streaming streaming) {
  impl_->call([&] { impl_->streaming = streaming; });
}
void ApiServer::set_gzip(bool lists, bool watches) {
  impl_->call([&] {
    impl_->gzip_lists = lists;
    impl_->gzip_watches = watches;
  });
}
void ApiServer::set_token(const std::string& token) {
  impl_->call([&] { impl_->token = token; });
}
void ApiServer::set_key_pair(const KeyPair& pair) {
  impl_->call([&] { impl_->key_pair = pair; });
}
void ApiServer::require_client_certificate() {
  impl_->call([&] { impl_->client_certificates = true; });
}
void ApiServer::set_trickle(bool trickle) {
  impl_->call([&] { impl_->trickle = trickle; });
}
void ApiServer::set_duplicates(bool duplicates) {
  impl_->call([&] { impl_->duplicates = duplicates; });
}
void ApiServer::set_expire_tokens(bool expire) {
  impl_->call([&] { impl_->expire_tokens = expire; });
}
void ApiServer::set_gone_as_event(bool as_event) {
  impl_->call([&] { impl_->gone_as_event = as_event; });
}
void ApiServer::set_frozen(bool frozen) {
  impl_->call([&] {
    impl_->frozen = frozen;
    for (const auto& session : impl_->sessions) session->ring();
  });
}
void ApiServer::hold_events(bool hold) {
  impl_->call([&] { impl_->holding = hold; });
}
void ApiServer::release_reversed() {
  impl_->call([&] {
    impl_->holding = false;
    auto events = std::exchange(impl_->held, {});
    std::ranges::reverse(events);
    for (const auto& event : events) impl_->publish(event);
  });
}

void ApiServer::refuse(int times, const std::string& part, const Refusal& refusal) {
  impl_->call([&] { impl_->refusals.push_back({times, part, refusal}); });
}
void ApiServer::drop_connections() {
  impl_->call([&] { impl_->drop_all(); });
}
void ApiServer::drop_within_object() {
  impl_->call([&] {
    impl_->for_each_watch([](Session& session) {
      session.add_chunk(R"({"type":"MODIFIED","object":{"metadata":{"name":"ha)");
      session.cut_when_sent = true;
    });
  });
}
void ApiServer::stall_within_object() {
  impl_->call([&] {
    impl_->for_each_watch([](Session& session) {
      session.add_chunk(R"({"type":"MODIFIED","object":{"metadata":{"name":"ha)");
      session.watching = false;
    });
  });
}
void ApiServer::send_error_event(const Refusal& refusal) {
  impl_->call([&] {
    impl_->for_each_watch([&](Session& session) {
      session.add_chunk(event_json("ERROR", status_json(refusal)));
      session.pending += "0\r\n\r\n";
      session.watching = false;
    });
  });
}
void ApiServer::send_bookmarks() {
  impl_->call([&] {
    impl_->for_each_watch(
        [&](Session& session) { session.add_chunk(impl_->bookmark(session.resource, false)); });
  });
}
void ApiServer::send_raw(const std::string& bytes) {
  impl_->call([&] { impl_->for_each_watch([&](Session& session) { session.add_chunk(bytes); }); });
}
void ApiServer::compact() {
  impl_->call([&] { impl_->objects.compact(); });
}
void ApiServer::stop_listening() {
  impl_->call([&] {
    impl_->acceptor.reset();
    impl_->drop_all();
  });
}
void ApiServer::listen_again() {
  impl_->call([&] { impl_->listen(); });
}

std::vector<std::string> ApiServer::requests() const {
  return impl_->call([&] { return impl_->requests; });
}
int ApiServer::count_requests(const std::string& part) const {
  const auto all = requests();
  return static_cast<int>(std::ranges::count_if(
      all, [&](const auto& target) { return target.find(part) != std::string::npos; }));
}
int ApiServer::watches() const {
  return impl_->call([&] {
    int count = 0;
    impl_->for_each_watch([&](const Session&) { ++count; });
    return count;
  });
}

}  // namespace fakes
