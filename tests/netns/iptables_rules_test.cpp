// The iptables mode's rules as people and tools see them: ordinary rules with the names and
// comments the ecosystem knows, beside those of others.
#include "tests/netns/rules_lab.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <sstream>
#include <string>
#include <vector>

namespace netns {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// What others may keep in the same tables: before, between and behind the rules of a proxy.
constexpr const char* kForeignRules = R"(*mangle
:FOREIGN-MARK - [0:0]
-A PREROUTING -j FOREIGN-MARK
-A FOREIGN-MARK -p tcp --dport 9999 -j MARK --set-mark 0x7
COMMIT
*nat
:FOREIGN-NAT - [0:0]
-A PREROUTING -p tcp --dport 9999 -m comment --comment "somebody else's" -j FOREIGN-NAT
-A FOREIGN-NAT -j RETURN
-A POSTROUTING -p tcp --dport 9999 -j MASQUERADE
COMMIT
*filter
:FOREIGN-FILTER - [0:0]
-A INPUT -p tcp --dport 9999 -j FOREIGN-FILTER
-A FORWARD -p tcp --dport 9999 -m limit --limit 5/sec -j FOREIGN-FILTER
-A FOREIGN-FILTER -m conntrack --ctstate ESTABLISHED -j ACCEPT
COMMIT
)";

std::string restore_command(Family family) {
  return family == Family::v4 ? "iptables-restore" : "ip6tables-restore";
}

// The lines that hold a foreign rule or chain, in their order.
std::vector<std::string> foreign_lines(const std::string& rules) {
  std::vector<std::string> result;
  std::istringstream lines{rules};
  for (std::string line; std::getline(lines, line);) {
    if (line.find("FOREIGN") != std::string::npos || line.find("9999") != std::string::npos) {
      result.push_back(line);
    }
  }
  return result;
}

// Rules and chains of users: what is left of a dump without the tables and their built-in chains.
std::string without_empty_tables(const std::string& rules) {
  std::string result;
  std::istringstream lines{rules};
  for (std::string line; std::getline(lines, line);) {
    const bool built_in = line.starts_with(':') && line.find(" ACCEPT") != std::string::npos;
    if (!built_in && !line.starts_with('*') && line != "COMMIT") result += line + '\n';
  }
  return result;
}

class IptablesRules : public RulesLab {
 protected:
  void add_foreign_rules() {
    for (const auto family : proxy::kFamilies) {
      run_or_fail(lab_->node().net, {restore_command(family), "--noflush"}, kForeignRules);
    }
  }
};

TEST_F(IptablesRules, ArePrintedAsOrdinaryRulesThatRestoreAccepts) {
  start_with_services();
  for (const auto family : proxy::kFamilies) {
    const auto saved = run_or_fail(lab_->node().net, {save_command(family)});
    EXPECT_THAT(saved, Not(HasSubstr("incompatible")));
    EXPECT_THAT(saved, HasSubstr("KUBE-SERVICES"));
    const auto restored = run(lab_->node().net, {restore_command(family), "--test"}, saved);
    EXPECT_EQ(restored.status, 0) << restored.output << saved;
  }
}

TEST_F(IptablesRules, KeepTheirMeaningWhenSavedAndRestored) {
  start_with_services();
  std::vector<std::string> before;
  for (const auto family : proxy::kFamilies) {
    const auto saved = run_or_fail(lab_->node().net, {save_command(family)});
    before.push_back(lab_->saved_rules(family));
    lab_->daemon().stop(SIGTERM);
    run_or_fail(lab_->node().net, {restore_command(family)}, saved);
    EXPECT_EQ(lab_->saved_rules(family), before.back());
  }
  const std::string expect =
      ", expect: {endpoints: ['10.180.0.1:80', '10.180.1.1:80'], masquerade: ";
  EXPECT_EQ(
      lab_->wrong("from: 203.0.113.2, to: 198.51.100.1, port: 80, protocol: TCP, sticky: true, "
                  "repeat: 10" +
                  expect + "true}"),
      "");
  EXPECT_EQ(
      lab_->wrong("from: 10.180.0.100, to: 172.30.0.43, port: 80, protocol: TCP, expect: REJECT"),
      "");
}

TEST_F(IptablesRules, LeaveForeignOnesAloneThroughSyncChangeAndCleanup) {
  add_foreign_rules();
  std::map<Family, std::string> before;
  for (const auto family : proxy::kFamilies) before[family] = lab_->saved_rules(family);
  start_with_services();
  for (const auto family : proxy::kFamilies) {
    EXPECT_EQ(foreign_lines(lab_->saved_rules(family)), foreign_lines(before[family]));
  }
  lab_->remove({"Service", "ns1", "web"});
  lab_->settle();
  for (const auto family : proxy::kFamilies) {
    EXPECT_EQ(foreign_lines(lab_->saved_rules(family)), foreign_lines(before[family]));
  }
  EXPECT_EQ(lab_->daemon().stop(SIGTERM), 0) << lab_->daemon().process().output();
  const auto cleanup = run_viaduct(lab_->node(), {"cleanup"});
  EXPECT_EQ(cleanup.status, 0) << cleanup.output;
  for (const auto family : proxy::kFamilies) {
    EXPECT_EQ(without_empty_tables(lab_->saved_rules(family)),
              without_empty_tables(before[family]));
  }
  EXPECT_THAT(run_or_fail(lab_->node().net, {"nft", "list", "tables"}), Not(HasSubstr("viaduct")));
}

TEST_F(IptablesRules, AreGoneAfterCleanupOnANodeOfTheirOwn) {
  start_with_services();
  lab_->daemon().stop(SIGTERM);
  ASSERT_EQ(run_viaduct(lab_->node(), {"cleanup"}).status, 0);
  for (const auto family : proxy::kFamilies) {
    EXPECT_THAT(without_empty_tables(lab_->saved_rules(family)), IsEmpty());
  }
  EXPECT_EQ(run_viaduct(lab_->node(), {"cleanup"}).status, 0)
      << "a second time there is nothing to do";
}

}  // namespace
}  // namespace netns
