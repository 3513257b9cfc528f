// Follows one resource: lists it, watches it, and never loses the thread.
//
// The coroutine moves bytes; Course decides what is asked next, RecordStore what it means.
//
//   Course ──what to ask──► ApiClient ──bytes──► ListStream / ValueStream ──objects──► Decoder
//     ▲                                                                                  │
//     └── how it ended ◄── events, versions, errors ◄── RecordStore ──changes──► listener┘
#pragma once

#include "proxy/records/decode.hpp"
#include "proxy/records/json_parser.hpp"
#include "proxy/sources/kubernetes/api_client.hpp"
#include "proxy/sources/kubernetes/change_batch.hpp"
#include "proxy/sources/kubernetes/course.hpp"
#include "proxy/sources/kubernetes/json_stream.hpp"
#include "proxy/sources/kubernetes/record_store.hpp"
#include "proxy/sources/kubernetes/resource.hpp"
#include "proxy/sources/kubernetes/watch_event.hpp"

#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace proxy::sources::kubernetes {

class Follower;

class FollowerListener {
 public:
  virtual ~FollowerListener() = default;
  // Are changes of use, or will a snapshot follow?
  [[nodiscard]] virtual bool wants_changes() const = 0;
  // Changes to what is known, each key at most once.
  virtual void changed(Follower& follower, std::vector<Change> changes) = 0;
  // A list is through; its changes were told just before, if they are wanted.
  virtual void listed(Follower& follower) = 0;
  // problems() may be others now.
  virtual void troubled() = 0;
};

// What all followers of a source share; outlives them.
struct FollowerParts {
  const ClientParts& client;
  records::Decoder& decoder;
  records::json::Parser& parser;
  records::BinaryReader& reader;
  std::function<double()> chance;  // in [0, 1)
  FollowerListener& listener;
};

class Follower {
 public:
  Follower(const FollowerParts& parts, Selection selection);

  // Until stop(). Keeps `self` alive.
  static boost::asio::awaitable<void> run(std::shared_ptr<Follower> self);
  void stop();
  // The server was found dead: what is being waited for will not come.
  void give_up_request();
  // Ends a pause before the next attempt: somebody else got through.
  void hurry();

  [[nodiscard]] bool is_listed() const { return listed_; }  // at least once
  [[nodiscard]] const RecordStore& store() const { return store_; }
  [[nodiscard]] const Selection& selection() const { return selection_; }
  void append_problems(std::vector<Problem>& all) const;

 private:
  using Awaitable = boost::asio::awaitable<Outcome>;

  // One request each, to its end.
  Awaitable ask();
  Awaitable list();
  Awaitable list_page(PageRequest page, ListMetadata& metadata);
  Awaitable watch();
  // The answer is no 200.
  Awaitable refused(unsigned status, std::optional<std::chrono::seconds> retry_after);

  // What came, piece by piece.
  [[nodiscard]] Result<void> take_events(std::string_view bytes);
  void take_event(std::string_view text);
  void take_object(const WatchEvent& event);
  void take_bookmark(std::string_view object);
  void take_error(std::string_view object);
  void end_list(std::string version);
  void deliver();

  [[nodiscard]] Outcome lost(const Error& error);
  [[nodiscard]] End judge(const Status& status) const;
  [[nodiscard]] Duration patience();
  [[nodiscard]] std::string_view verb() const;
  void got_through();
  void set_trouble(std::string what);
  boost::asio::awaitable<void> pause(Duration duration);

  const FollowerParts& parts_;
  Selection selection_;
  const Resource& resource_;
  ApiClient client_;
  Course course_;
  RecordStore store_;
  boost::asio::steady_timer pause_;
  bool stopped_ = false;
  bool listed_ = false;

  // Of the request that is going on.
  ValueStream events_;
  bool initial_ = false;  // a streaming list whose end has not come
  bool progress_ = false;
  std::optional<Outcome> ended_;  // by what an event said
  std::optional<Error> wrong_;    // an event that is none
  ChangeBatch batch_;

  std::string trouble_;  // what keeps us from following; empty if nothing does
  std::size_t told_problems_ = 0;
};

}  // namespace proxy::sources::kubernetes
