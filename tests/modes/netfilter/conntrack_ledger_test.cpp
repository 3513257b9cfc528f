#include "modes/netfilter/conntrack_ledger.hpp"

#include "tests/proxy/state/builders.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace modes::netfilter {
namespace {

using namespace proxy::state::testing;
using proxy::Protocol;
using proxy::records::Kind;
using proxy::sources::Change;
using proxy::sources::Removal;
using proxy::state::ServiceTable;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

proxy::records::Service dns(std::string name, std::string_view cluster_ip) {
  auto it = service(std::move(name), cluster_ip);
  it.ports[0].name = "dns";
  it.ports[0].protocol = Protocol::udp;
  it.ports[0].port = Port{53};
  return it;
}

proxy::records::EndpointSlice dns_slice(std::string service, std::string_view address,
                                        Conditions conditions = kReady) {
  auto it = slice(service + "-1", service, {slice_endpoint(address, "", conditions)});
  it.ports = {{"dns", Protocol::udp, Port{5353}}};
  return it;
}

ConntrackRule rule(std::string_view address, EndpointList keep) {
  return {ConntrackRule::Scope::one_address, ip(address), Port{53}, std::move(keep)};
}

class ConntrackLedgerTest : public ::testing::Test {
 protected:
  ConntrackLedgerTest() {
    table.replace({dns("dns", "10.96.0.10"), dns_slice("dns", "10.0.0.1"), service("web")});
    ledger.note_all(table);
    ledger.written();
    at_start = ledger.take();
    ledger.paid();
    static_cast<void>(table.take_changes());
  }
  // The table changes and is written.
  void change(const std::vector<Change>& changes) {
    table.change(changes);
    ledger.note(table, table.take_changes());
    ledger.written();
  }
  std::vector<ConntrackRule> pay() {
    auto rules = ledger.take();
    ledger.paid();
    return rules;
  }
  static Change gone(std::string service) {
    return Removal{{Kind::service, {"default", std::move(service)}}};
  }
  static Change now(proxy::records::Record record) { return record; }

  ServiceTable table{{"node-a"}};
  ConntrackLedger ledger;
  std::vector<ConntrackRule> at_start;
};

TEST_F(ConntrackLedgerTest, TheStartCountsAsAChangeOfEveryUdpService) {
  EXPECT_THAT(at_start, ElementsAre(rule("10.96.0.10", {endpoint("10.0.0.1", 5353)})));
  EXPECT_FALSE(ledger.owes());
}

TEST_F(ConntrackLedgerTest, ChangesOfOtherProtocolsOweNothing) {
  change({now(slice("web-1", "web", {slice_endpoint("10.0.0.1")}))});
  EXPECT_FALSE(ledger.owes());
}

TEST_F(ConntrackLedgerTest, APolicyThatChangesOrAnEndpointThatIsNotReadyAnyMoreOwesNothing) {
  auto local = dns("dns", "10.96.0.10");
  local.internal_policy = proxy::records::TrafficPolicy::local;
  change({now(local), now(dns_slice("dns", "10.0.0.1", {false, true, false}))});
  EXPECT_FALSE(ledger.owes());
}

TEST_F(ConntrackLedgerTest, AReplacedEndpointIsOwedOnce) {
  change({now(dns_slice("dns", "10.0.0.2"))});
  change({now(dns_slice("dns", "10.0.0.3"))});
  EXPECT_THAT(pay(), ElementsAre(rule("10.96.0.10", {endpoint("10.0.0.3", 5353)})));
  EXPECT_FALSE(ledger.owes());
}

TEST_F(ConntrackLedgerTest, AServiceThatIsGoneOwesItsVipsWithNothingToKeep) {
  change({gone("dns")});
  EXPECT_THAT(pay(), ElementsAre(rule("10.96.0.10", {})));
}

TEST_F(ConntrackLedgerTest, AVipThatIsBackBeforeItWasPaidForIsJudgedAsItIsNow) {
  change({gone("dns")});
  change({now(dns("other", "10.96.0.10")), now(dns_slice("other", "10.0.0.9"))});
  EXPECT_THAT(pay(), ElementsAre(rule("10.96.0.10", {endpoint("10.0.0.9", 5353)})));
}

TEST_F(ConntrackLedgerTest, WhatCouldNotBePaidIsOwedTogetherWithWhatCameMeanwhile) {
  change({now(dns("second", "10.96.0.11"))});
  EXPECT_THAT(ledger.take(), ElementsAre(rule("10.96.0.11", {})));
  change({gone("second"), now(dns_slice("dns", "10.0.0.2"))});
  ledger.not_paid();
  EXPECT_THAT(pay(), SizeIs(2));
}

TEST_F(ConntrackLedgerTest, NothingIsOwedBeforeItIsWritten) {
  table.change({now(dns_slice("dns", "10.0.0.2"))});
  ledger.note(table, table.take_changes());
  EXPECT_FALSE(ledger.owes());
  ledger.written();
  EXPECT_TRUE(ledger.owes());
}

TEST_F(ConntrackLedgerTest, WhatIsPaidWhileItIsBeingWrittenIsOwedAgainAfterwards) {
  change({now(dns_slice("dns", "10.0.0.2"))});
  table.change({now(dns_slice("dns", "10.0.0.3"))});
  ledger.note(table, table.take_changes());
  EXPECT_THAT(pay(), SizeIs(1));
  ledger.written();
  EXPECT_THAT(pay(), ElementsAre(rule("10.96.0.10", {endpoint("10.0.0.3", 5353)})));
}

TEST_F(ConntrackLedgerTest, AReconcileOwesEveryUdpServiceAndThoseThatWentUnnoticed) {
  change({now(dns("second", "10.96.0.11"))});
  EXPECT_THAT(pay(), SizeIs(1));
  table.change({gone("second")});
  ledger.note_all(table);
  ledger.written();
  EXPECT_THAT(
      pay(), ElementsAre(rule("10.96.0.10", {endpoint("10.0.0.1", 5353)}), rule("10.96.0.11", {})));
}

}  // namespace
}  // namespace modes::netfilter
