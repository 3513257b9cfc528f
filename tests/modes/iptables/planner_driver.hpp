// A Planner at work on a FakeRuleset, as the iptables mode has it work on the kernel.
#pragma once

#include "modes/iptables/planner.hpp"
#include "tests/fakes/fake_ruleset.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <utility>

namespace modes::iptables::testing {

struct Driver {
  Planner planner;
  fakes::FakeRuleset& kernel;
  NodeFacts facts;
  std::size_t max_bytes = std::numeric_limits<std::size_t>::max();
  std::function<void()> after_each = [] {};  // transaction
  std::chrono::sys_seconds now{};

  Driver(fakes::FakeRuleset& ruleset, Settings settings, NodeFacts node = {})
      : planner{std::move(settings), {Family::v4, Family::v6}},
        kernel{ruleset},
        facts{std::move(node)} {}

  // How many transactions were committed.
  std::size_t reconcile(const ServiceTable& table) {
    planner.observe(kernel.observe(&Planner::itemised), facts);
    planner.begin_all(table, facts);
    return run(table);
  }
  std::size_t sync(const ServiceTable& table, std::span<const ServicePortName> changed) {
    planner.begin(table, changed);
    return run(table);
  }

 private:
  std::size_t run(const ServiceTable& table) {
    std::size_t committed = 0;
    for (int attempts = 0; attempts < 200;) {
      const auto transaction = planner.next(table, max_bytes);
      if (transaction.empty()) return committed;
      const auto result = kernel.commit(transaction);
      if (result.kind == netfilter::CommitResult::Kind::committed) {
        planner.committed(now);
        ++committed;
        after_each();
        continue;
      }
      ++attempts;
      if (const auto known = planner.refused(table, transaction, result.refused); !known) {
        ADD_FAILURE() << "refused: " << known.error().text();
        return committed;
      }
    }
    ADD_FAILURE() << "refused again and again";
    return committed;
  }
};

}  // namespace modes::iptables::testing
