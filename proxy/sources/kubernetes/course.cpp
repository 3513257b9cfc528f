#include "proxy/sources/kubernetes/course.hpp"

#include <algorithm>
#include <utility>

namespace proxy::sources::kubernetes {
namespace {

// A server that refuses a watch so often may be one that our version means nothing to (it was
// restored from a backup).
constexpr int kMostRefusals = 3;
// A streaming list that breaks so often is given up for pages, once: there are servers that know
// them in name only, and networks that don't let large answers through.
constexpr int kMostBrokenStreams = 2;
constexpr int kMostDoublings = 16;

Duration scaled(Duration duration, double factor) {
  return std::chrono::duration_cast<Duration>(duration * factor);
}

}  // namespace

void Course::listed(std::string version) {
  ask_ = Ask::watch;
  version_ = std::move(version);
  pages_ = true;
  refusals_ = 0;
  broken_streams_ = 0;
}

void Course::seen(std::string version) {
  version_ = std::move(version);
  refusals_ = 0;
}

void Course::begin_anew(bool trust_version) {
  ask_ = streams_ ? Ask::stream : Ask::list;
  if (!trust_version) version_.clear();
}

void Course::note_broken_stream() {
  if (ask_ == Ask::stream && ++broken_streams_ >= kMostBrokenStreams) ask_ = Ask::list;
}

Duration Course::back_off(double chance) {
  const auto doublings = std::min(failures_++, kMostDoublings);
  const auto base = std::min(pace_.first_retry * (1 << doublings), pace_.longest_retry);
  return scaled(base, 1 + chance);
}

Duration Course::ended(const Outcome& outcome, double chance) {
  if (outcome.progress) failures_ = 0;
  switch (outcome.end) {
    case End::closed:
      // A watch that ends at once without a word, again and again, must not become a busy loop.
      if (outcome.progress) return Duration{0};
      return back_off(chance);
    case End::unable:
      streams_ = false;
      ask_ = Ask::list;
      return Duration{0};
    case End::expired:
      if (ask_ == Ask::list) {
        // The token of a page. All in one piece, and the newest: no token, no version, to expire.
        pages_ = false;
        version_.clear();
        return back_off(chance);
      }
      // The server may remember less than our version, but what it has is newer: it can answer from
      // memory. Only if that fails we ask for the newest, which costs a quorum.
      begin_anew(ask_ == Ask::watch);
      return scaled(pace_.relist_spread, chance) +
             (failures_ == 0 ? Duration{0} : back_off(chance));
    case End::busy: {
      const auto least = back_off(chance);
      if (!outcome.retry_after) return least;
      const auto told = std::min<Duration>(*outcome.retry_after, pace_.longest_retry_after);
      return std::max(least, told + scaled(pace_.first_retry, chance));
    }
    case End::failed:
      if (ask_ != Ask::watch) {
        version_.clear();
        note_broken_stream();
      } else if (++refusals_ >= kMostRefusals) {
        refusals_ = 0;
        begin_anew(false);
      }
      return back_off(chance);
    case End::lost:
      note_broken_stream();
      return back_off(chance);
    case End::denied:
      return back_off(chance);
  }
  return back_off(chance);
}

}  // namespace proxy::sources::kubernetes
