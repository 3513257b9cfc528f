#include "tests/netns/scenario.hpp"

#include "tests/netns/yaml_to_json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace netns {
namespace {

using testing::HasSubstr;

// The smallest scenario, with `more` appended to its one flow and `top` to the document.
std::string document(const std::string& more, const std::string& top = "") {
  return "name: n\nbehaviour: b\nsource: s\nproxy: {nodeName: node-a, nodeIPs: [192.168.0.2]}\n"
         "objects: []\nflows:\n"
         "- {name: f, from: 10.180.0.100, to: 172.30.0.41, port: 80, protocol: TCP, expect: DROP, "
         "basis: source" +
         more + "}\n" + top;
}

Flow flow_with(const std::string& more) {
  return parse_scenario(YAML::Load(document(more))).steps.at(0).flows.at(0);
}

TEST(Scenario, OfTheTreeIsReadWithEveryKeyKnown) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator{VIADUCT_FLOWS}) {
    if (entry.path().extension() != ".yaml") continue;
    const auto scenario = load_scenario(entry.path());
    EXPECT_EQ(scenario.name, entry.path().stem());
    EXPECT_FALSE(scenario.steps.at(0).flows.empty());
    ++count;
  }
  EXPECT_GT(count, 50);
}

TEST(Scenario, WithAnUnknownKeyIsRefused) {
  const auto read = [](const std::string& text) { return parse_scenario(YAML::Load(text)).name; };
  EXPECT_EQ(read(document("")), "n");
  EXPECT_THROW(read(document(", colour: red")), std::runtime_error);
  EXPECT_THROW(read(document("", "colour: red\n")), std::runtime_error);
  EXPECT_THROW(read(document(", expectByMode: {ipvs: MAYBE}")), std::runtime_error);
}

TEST(Scenario, FlowKnowsAllThatTheSchemaOffers) {
  const auto flow = flow_with(
      ", repeat: 5, sticky: true, stickyGroup: g, waitBeforeEach: 1.5, modes: [iptables, ipvs],"
      " byModeBasis: {ipvs: source}, note: why, expectByMode: {ipvs: {endpoints:"
      " ['10.180.0.1:80', '[fd00:10:180::1]:80'], masquerade: {'10.180.0.1:80': true,"
      " '[fd00:10:180::1]:80': false}}}");
  EXPECT_EQ(flow.repeat, 5);
  EXPECT_TRUE(flow.sticky);
  EXPECT_EQ(flow.sticky_group, "g");
  EXPECT_EQ(flow.wait_before_each, std::chrono::milliseconds{1500});
  const auto& ipvs = expectation(flow, mode_traits("ipvs"));
  EXPECT_EQ(ipvs.masquerade.at(parse_socket_address("10.180.0.1:80")), true);
  EXPECT_EQ(ipvs.masquerade.at(parse_socket_address("[fd00:10:180::1]:80")), false);
  EXPECT_EQ(expectation(flow, mode_traits("iptables")).verdict, Verdict::drop);
}

TEST(Scenario, FlowOfOtherModesDoesNotApply) {
  const auto flow = flow_with(", modes: [iptables]");
  EXPECT_TRUE(applies(flow, mode_traits("iptables")));
  EXPECT_TRUE(applies(flow, mode_traits("userspace"))) << "takes what is iptables'";
  EXPECT_FALSE(applies(flow, mode_traits("ipvs")));
}

TEST(Scenario, StepsListEveryEndpointThatMayBeListening) {
  const auto scenario = parse_scenario(YAML::Load(document("", R"(
steps:
- name: more
  apply:
  - apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata: {namespace: ns1, name: s}
    ports: [{name: p, port: 80, protocol: TCP}, {name: q, port: 53, protocol: UDP}]
    endpoints: [{addresses: [' 10.180.00.001']}]
  delete: [{kind: Service, namespace: ns1, name: gone}]
  flows: []
)")));
  const auto ip = address("10.180.0.1");
  EXPECT_THAT(scenario.listeners, testing::ElementsAre(Listener{{ip, Port{53}}, Protocol::udp},
                                                       Listener{{ip, Port{80}}, Protocol::tcp}));
  EXPECT_EQ(scenario.steps.at(1).remove.at(0), (ObjectKey{"Service", "ns1", "gone"}));
}

TEST(Scenario, ObjectsBecomeJsonWithTheTypesYamlMeans) {
  const auto node = YAML::Load(
      "{kind: A, metadata: {name: n}, s: '80', n: 80, b: true, e: '', z: null, a: [172.30.0.041, "
      "~],"
      " 1: \"q\\\"\\n\"}");
  EXPECT_EQ(parse_object(node).json,
            R"({"kind":"A","metadata":{"name":"n"},"s":"80","n":80,"b":true,"e":"","z":null,)"
            R"("a":["172.30.0.041",null],"1":"q\"\u000a"})");
}

TEST(Scenario, ErrorNamesThePlace) {
  try {
    static_cast<void>(flow_with(", repeat: often"));
    FAIL() << "should have thrown";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("step 'start': flow 'f': "));
  }
}

}  // namespace
}  // namespace netns
