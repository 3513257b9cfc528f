#include "tests/netns/judge.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace netns {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const SocketAddress kLocal = parse_socket_address("10.180.0.1:80");
const SocketAddress kRemote = parse_socket_address("10.180.1.1:80");

Flow flow_from(const char* from) {
  Flow flow;
  flow.from = address(from);
  flow.to = parse_socket_address("172.30.0.41:80");
  return flow;
}

Surroundings surroundings() {
  return {.node_addresses = {address("192.168.0.2")},
          .literal_destination = "upstream",
          .destination_is_node_a = false,
          .client_is_on_node_a = true,
          .endpoints_on_node_a = {kLocal.ip},
          .hides_sources = false};
}

Outcome delivered(const SocketAddress& at, const char* saw) {
  return {.kind = Outcome::Kind::answered,
          .report = {.party = "pod", .at = at, .saw = {address(saw), Port{12000}}}};
}

Outcome of(Outcome::Kind kind) {
  Outcome outcome;
  outcome.kind = kind;
  return outcome;
}

Outcome icmp(std::uint8_t type, std::uint8_t code) {
  auto outcome = of(Outcome::Kind::unreachable);
  outcome.icmp_type = type;
  outcome.icmp_code = code;
  return outcome;
}

TEST(Judge, AcceptsADeliveryOnlyWithTheExpectedSource) {
  const auto flow = flow_from("10.180.0.100");
  const Expectation unchanged{Verdict::endpoints, {{kLocal, false}}};
  const Expectation masqueraded{Verdict::endpoints, {{kLocal, true}}};
  const std::vector own{delivered(kLocal, "10.180.0.100")};
  const std::vector node{delivered(kLocal, "192.168.0.2")};
  EXPECT_THAT(disagreements(flow, unchanged, surroundings(), own), IsEmpty());
  EXPECT_THAT(disagreements(flow, masqueraded, surroundings(), node), IsEmpty());
  EXPECT_THAT(disagreements(flow, unchanged, surroundings(), node),
              ElementsAre(HasSubstr("source should be unchanged")));
  EXPECT_THAT(disagreements(flow, masqueraded, surroundings(), own),
              ElementsAre(HasSubstr("source should be an address of node-a")));
}

TEST(Judge, TakesAnyNodeAddressFromAModeThatHidesSources) {
  auto lab = surroundings();
  lab.hides_sources = true;
  const Expectation unchanged{Verdict::endpoints, {{kLocal, false}}};
  EXPECT_THAT(
      disagreements(flow_from("10.180.0.100"), unchanged, lab, {delivered(kLocal, "192.168.0.2")}),
      IsEmpty());
}

TEST(Judge, MissesAnEndpointThatEnoughConnectionsNeverReached) {
  const Expectation both{Verdict::endpoints, {{kLocal, false}, {kRemote, false}}};
  const auto flow = flow_from("10.180.0.100");
  const std::vector many(24, delivered(kLocal, "10.180.0.100"));
  const std::vector few(4, delivered(kLocal, "10.180.0.100"));
  EXPECT_THAT(disagreements(flow, both, surroundings(), many),
              ElementsAre("never reached 10.180.1.1:80"));
  EXPECT_THAT(disagreements(flow, both, surroundings(), few), IsEmpty());
}

TEST(Judge, RefusesAnEndpointThatIsNotExpected) {
  const Expectation local{Verdict::endpoints, {{kLocal, false}}};
  EXPECT_THAT(disagreements(flow_from("10.180.0.100"), local, surroundings(),
                            {delivered(kRemote, "10.180.0.100")}),
              ElementsAre(HasSubstr("not an expected endpoint")));
}

TEST(Judge, HoldsStickyConnectionsToOneEndpoint) {
  auto flow = flow_from("10.180.0.100");
  flow.sticky = true;
  const Expectation both{Verdict::endpoints, {{kLocal, false}, {kRemote, false}}};
  const auto local = delivered(kLocal, "10.180.0.100");
  EXPECT_THAT(disagreements(flow, both, surroundings(), std::vector(20, local)), IsEmpty());
  EXPECT_THAT(
      disagreements(flow, both, surroundings(), {local, delivered(kRemote, "10.180.0.100")}),
      ElementsAre(HasSubstr("should stay with one endpoint")));
}

TEST(Judge, TakesAnArrivalForADeliveryOnlyWhereTheAnswerBypassesTheNode) {
  auto lab = surroundings();
  const auto flow = flow_from("203.0.113.2");
  const Expectation remote{Verdict::endpoints, {{kRemote, false}}};
  auto arrived = delivered(kRemote, "203.0.113.2");
  arrived.kind = Outcome::Kind::arrived;
  EXPECT_THAT(one_way_destinations(flow, remote, lab), IsEmpty());
  EXPECT_THAT(disagreements(flow, remote, lab, {arrived}), ElementsAre(HasSubstr("got lost")));
  lab.client_is_on_node_a = false;
  EXPECT_THAT(one_way_destinations(flow, remote, lab), ElementsAre(kRemote));
  EXPECT_THAT(disagreements(flow, remote, lab, {arrived}), IsEmpty());
}

TEST(Judge, TellsTheWaysOfRefusingApart) {
  const auto flow = flow_from("10.180.0.100");
  const Expectation drop{Verdict::drop, {}}, reject{Verdict::reject, {}},
      accept{Verdict::accept, {}};
  const auto fine = [&](const Expectation& expected, const Outcome& outcome) {
    return disagreements(flow, expected, surroundings(), {outcome}).empty();
  };
  const auto silence = of(Outcome::Kind::silent);
  const auto reset = of(Outcome::Kind::reset);
  EXPECT_TRUE(fine(drop, silence));
  EXPECT_FALSE(fine(drop, reset));
  EXPECT_FALSE(fine(drop, icmp(3, 3)));
  EXPECT_TRUE(fine(reject, icmp(3, 3)));
  EXPECT_FALSE(fine(reject, icmp(3, 1)));
  EXPECT_FALSE(fine(reject, reset));
  EXPECT_FALSE(fine(reject, silence));
  EXPECT_TRUE(fine(accept, reset));
  EXPECT_TRUE(fine(accept, of(Outcome::Kind::connected)));
  EXPECT_FALSE(fine(accept, silence));
  EXPECT_FALSE(fine(accept, icmp(3, 3)));
}

TEST(Judge, LetsAPacketPassOnlyToItsLiteralDestination) {
  const auto flow = flow_from("10.180.0.100");
  const Expectation pass{Verdict::pass, {}};
  auto upstream = delivered(flow.to, "10.180.0.100");
  upstream.report.party = "upstream";
  EXPECT_THAT(disagreements(flow, pass, surroundings(), {upstream}), IsEmpty());
  EXPECT_THAT(disagreements(flow, pass, surroundings(), {delivered(kLocal, "10.180.0.100")}),
              ElementsAre(HasSubstr("should arrive at 172.30.0.41:80 of upstream")));
  EXPECT_FALSE(disagreements(flow, pass, surroundings(), {of(Outcome::Kind::silent)}).empty());
  upstream.kind = Outcome::Kind::arrived;
  auto lab = surroundings();
  EXPECT_FALSE(disagreements(flow, pass, lab, {upstream}).empty());
  lab.client_is_on_node_a = false;
  EXPECT_TRUE(disagreements(flow, pass, lab, {upstream}).empty());
}

}  // namespace
}  // namespace netns
