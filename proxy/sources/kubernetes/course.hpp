// Decides what to ask the API server next about one resource, and when.
//
// Pure: how each request ended goes in, the next one comes out; chance is a parameter.
//
//          ┌── refused: this server has no streaming lists ──► list ──┐
//   stream ┤                                                          ├─► watch ─► watch ─► …
//     ▲    └── all there is has come, and goes on as a watch ─────────┘      │
//     └───────────── the version is too old (410), after a while of chance ──┘
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace proxy::sources::kubernetes {

using Duration = std::chrono::nanoseconds;

struct Pace {
  Duration first_retry = std::chrono::milliseconds{100};
  Duration longest_retry = std::chrono::seconds{10};  // chance makes it up to twice that
  Duration relist_spread = std::chrono::seconds{2};   // so that all nodes don't list at once
  Duration longest_retry_after = std::chrono::minutes{5};
};

enum class Ask : std::uint8_t { stream, list, watch };

// How a request ended.
enum class End : std::uint8_t {
  closed,   // in good order: a list is through, a watch has had its time
  lost,     // no answer, or none any more: connection, time-out, nonsense
  denied,   // 401, 403
  expired,  // 410, as a status or as an event: the version, or a list's token, is too old
  unable,   // the server does not do streaming lists
  busy,     // 429, 503
  failed    // any other status
};

struct Outcome {
  End end = End::lost;
  bool progress = false;  // something useful came before the end
  std::optional<std::chrono::seconds> retry_after;
};

class Course {
 public:
  explicit Course(const Pace& pace) : pace_{pace} {}

  [[nodiscard]] Ask ask() const { return ask_; }
  // The version that a list should at least have, or that the watch goes on from; empty: none.
  [[nodiscard]] const std::string& version() const { return version_; }
  // A list must not ask for all in pages: a token expired before it was through.
  [[nodiscard]] bool pages() const { return pages_; }

  // The stream or list is through; what there is now has this version.
  void listed(std::string version);
  // An event or bookmark of this version came.
  void seen(std::string version);
  // The request has ended. Returns how long to wait before the next; chances in [0, 1).
  [[nodiscard]] Duration ended(const Outcome& outcome, double chance);

 private:
  void begin_anew(bool trust_version);
  void note_broken_stream();
  [[nodiscard]] Duration back_off(double chance);

  Pace pace_;
  Ask ask_ = Ask::stream;
  std::string version_;
  bool pages_ = true;
  bool streams_ = true;     // as far as is known
  int failures_ = 0;        // in a row
  int refusals_ = 0;        // in a row, of a watch by a server that answers
  int broken_streams_ = 0;  // in a row, of streaming lists
};

}  // namespace proxy::sources::kubernetes
