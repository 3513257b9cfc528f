// The one stream that every source of records yields: a full snapshot, then changes.
//
// A source runs on the control thread's io_context and calls its sink from there. It knows nothing
// of state or modes; what it hands over is decoded and valid record by record, and a record that
// could not be decoded is simply not in it (the source reports it and keeps the last good version).
#pragma once

#include "proxy/records/objects.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace proxy::sources {

// A record that is new or replaces the one of the same key, or a key that is gone.
struct Removal {
  records::RecordKey key;
  friend bool operator==(const Removal&, const Removal&) = default;
};
using Change = std::variant<records::Record, Removal>;

// Something the source could not use, for logs, health and `viaduct check`.
struct Problem {
  std::string where;  // file and document, or API resource
  std::string what;   // object and field, and what is wrong with it
  friend auto operator<=>(const Problem&, const Problem&) = default;
  friend bool operator==(const Problem&, const Problem&) = default;
};

class Sink {
 public:
  virtual ~Sink() = default;
  // Everything there is. What an earlier snapshot or change gave and this does not hold is gone.
  virtual void replace(std::vector<records::Record> all) = 0;
  // In order; at most one change per key.
  virtual void change(std::vector<Change> changes) = 0;
  // The problems that stand now; empty when all is well. Called when they changed.
  virtual void problems(std::vector<Problem> all) = 0;
  // What the source gives, or will give next, is from an earlier time, since it cannot be had now;
  // nullopt: it is up to date, as far as is known. Up to date until this is called.
  virtual void as_of(std::optional<std::chrono::system_clock::time_point> /*time*/) {}
};

class Source {
 public:
  virtual ~Source() = default;
  // Begins to deliver to `sink`, which outlives the source. Fails only for what no retry can mend
  // (an unreadable configuration); everything else is retried and reported as a problem.
  [[nodiscard]] virtual Result<void> start(Sink& sink) = 0;
  virtual void stop() = 0;
};

}  // namespace proxy::sources
