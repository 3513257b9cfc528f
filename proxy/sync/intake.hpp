// Where the stream of records enters: into the table of desired forwarding, and on to whoever wants
// to know that something changed.
#pragma once

#include "proxy/sources/source.hpp"
#include "proxy/state/service_table.hpp"

#include <cstdint>
#include <vector>

namespace proxy::sync {

// Told after the table has taken in what came.
class IntakeListener {
 public:
  virtual ~IntakeListener() = default;
  virtual void records_replaced(std::size_t count) = 0;
  // Before the table takes them, since it keeps them: a chance to read the records themselves.
  virtual void about_to_replace(const std::vector<records::Record>& all) = 0;
  virtual void about_to_change(const std::vector<sources::Change>& changes) = 0;
  virtual void records_changed() = 0;
  // As sources::Sink::as_of().
  virtual void records_as_of(std::optional<std::chrono::system_clock::time_point> /*time*/) {}
  // Problems that are new, and those that are gone.
  virtual void problems_changed(const std::vector<sources::Problem>& added,
                                const std::vector<sources::Problem>& gone) = 0;
};

class Intake final : public sources::Sink {
 public:
  // What the table is given: where nothing is ever forwarded (a daemon that serves DNS alone) only
  // what says something about this node.
  enum class Keep : std::uint8_t { all, node };

  // Both outlive the intake.
  Intake(state::ServiceTable& table, IntakeListener& listener, Keep keep = Keep::all)
      : table_{table}, listener_{listener}, keep_{keep} {}

  void replace(std::vector<records::Record> all) override;
  void change(std::vector<sources::Change> changes) override;
  void problems(std::vector<sources::Problem> all) override;
  void as_of(std::optional<std::chrono::system_clock::time_point> time) override {
    listener_.records_as_of(time);
  }

  // Those that stand now, in order.
  [[nodiscard]] const std::vector<sources::Problem>& current_problems() const { return problems_; }

 private:
  state::ServiceTable& table_;
  IntakeListener& listener_;
  Keep keep_;
  std::vector<sources::Problem> problems_;  // sorted, no duplicates
};

}  // namespace proxy::sync
