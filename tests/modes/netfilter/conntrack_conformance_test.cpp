// The tables of tests/conformance/conntrack.yaml, judged without a kernel.
#include "tests/modes/netfilter/conntrack_cases.hpp"

#include <gtest/gtest.h>

namespace modes::netfilter {
namespace {

TEST(ConntrackConformance, EveryEntryIsKeptOrDeletedAsItsTableSays) {
  const std::vector node_addresses{proxy::parse_ip("192.168.0.2").value()};
  const auto cases = testing::conntrack_cases();
  ASSERT_GE(cases.size(), 2U);
  for (const auto& [name, objects, entries] : cases) {
    SCOPED_TRACE(name);
    const auto rules = testing::rules_at_start(objects);
    const ConntrackJudge judge{rules, node_addresses};
    for (const auto& entry : entries) {
      // Walks ask the kernel for UDP only.
      const bool deleted = entry.protocol == proxy::Protocol::udp &&
                           judge.is_stale({entry.original_destination.address,
                                           entry.original_destination.port, entry.reply_source});
      EXPECT_EQ(!deleted, entry.kept) << entry;
    }
  }
}

}  // namespace
}  // namespace modes::netfilter
