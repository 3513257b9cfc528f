// Proves the lab by rules written by hand: each verdict is recognised where it holds, and denied
// where it does not.
#include "tests/netns/flow_runner.hpp"
#include "tests/netns/process.hpp"

#include <gtest/gtest.h>

#include <yaml-cpp/yaml.h>
#include <string>

namespace netns {
namespace {

// Rules of both families in kube-proxy's manner, by the services they serve:
//   .41 two endpoints, one here and one elsewhere; .42 refused; .43 dropped; .44 sticks to one
//   endpoint; .45 as .41, outside clients keep their address; anything else is left alone.
const std::string kRulesV4 = R"(*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:SERVICES - [0:0]
:BOTH - [0:0]
:STICKY - [0:0]
:STICKY1 - [0:0]
:STICKY2 - [0:0]
-A PREROUTING -j SERVICES
-A OUTPUT -j SERVICES
-A SERVICES -d 172.30.0.41 -s 203.0.113.0/24 -j MARK --or-mark 0x4000
-A SERVICES -d 172.30.0.41 -m addrtype --src-type LOCAL -j MARK --or-mark 0x4000
-A SERVICES -d 172.30.0.41 -j BOTH
-A SERVICES -d 192.168.0.2 -p tcp --dport 30001 -j MARK --or-mark 0x4000
-A SERVICES -d 192.168.0.2 -p tcp --dport 30001 -j BOTH
-A SERVICES -d 172.30.0.44 -j STICKY
-A SERVICES -d 172.30.0.45 -j BOTH
-A BOTH -p tcp -m statistic --mode random --probability 0.5 -j DNAT --to-destination 10.180.0.1:80
-A BOTH -p tcp -j DNAT --to-destination 10.180.1.1:80
-A BOTH -p udp -m statistic --mode random --probability 0.5 -j DNAT --to-destination 10.180.0.1:80
-A BOTH -p udp -j DNAT --to-destination 10.180.1.1:80
-A BOTH -p sctp -m statistic --mode random --probability 0.5 -j DNAT --to-destination 10.180.0.1:80
-A BOTH -p sctp -j DNAT --to-destination 10.180.1.1:80
-A STICKY -m recent --name one --rcheck --seconds 100 -j STICKY1
-A STICKY -m recent --name two --rcheck --seconds 100 -j STICKY2
-A STICKY -m statistic --mode random --probability 0.5 -j STICKY1
-A STICKY -j STICKY2
-A STICKY1 -m recent --name one --set
-A STICKY1 -p tcp -j DNAT --to-destination 10.180.0.1:80
-A STICKY2 -m recent --name two --set
-A STICKY2 -p tcp -j DNAT --to-destination 10.180.1.1:80
-A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE --random-fully
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p tcp --dport 32000 -j ACCEPT
-A FORWARD -m conntrack --ctstate INVALID -j DROP
-A FORWARD -d 172.30.0.42 -j REJECT
-A OUTPUT -d 172.30.0.42 -j REJECT
-A FORWARD -d 172.30.0.43 -j DROP
-A OUTPUT -d 172.30.0.43 -j DROP
COMMIT
)";

void replace_all(std::string& text, const std::string& what, const std::string& with) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

// The same addresses of TOPOLOGY.md in the other family.
std::string in_v6(std::string text) {
  for (const auto& [v4, v6] : {std::pair{"172.30.0.", "fd00:172:30::"},
                               {"203.0.113.0/24", "2001:db8:cb00::/64"},
                               {"203.0.113.2", "2001:db8:cb00::2"},
                               {"192.168.0.2", "2001:db8::2"},
                               {"127.0.0.1", "::1"},
                               {"10.180.0.1:80", "[fd00:10:180::1]:80"},
                               {"10.180.1.1:80", "[fd00:10:180:1::1]:80"},
                               {"10.180.0.", "fd00:10:180::"},
                               {"10.180.1.", "fd00:10:180:1::"}}) {
    replace_all(text, v4, v6);
  }
  return text;
}

Flow flow(const std::string& text, const std::string& expect) {
  const auto document =
      "{name: n, behaviour: b, source: s, proxy: {nodeName: node-a, nodeIPs: []}, objects: [], "
      "flows: [{name: f, basis: source, " +
      text + ", expect: " + expect + "}]}";
  return parse_scenario(YAML::Load(document)).steps.at(0).flows.at(0);
}

const std::string kBoth = "['10.180.0.1:80', '10.180.1.1:80']";

// GetParam(): the family, as Kubernetes spells it.
class Lab : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (const auto why = why_no_namespaces(); !why.empty()) GTEST_SKIP() << why;
    topology_ = std::make_unique<Topology>();
    responder_ = std::make_unique<Responder>();
    runner_ = std::make_unique<FlowRunner>(*topology_, *responder_, mode_traits("iptables"));
    for (const auto protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp}) {
      runner_->serve({{parse_socket_address(here("10.180.0.1:80")), protocol},
                      {parse_socket_address(here("10.180.1.1:80")), protocol}});
    }
    run_or_fail(topology_->node_a().net, {is_v4() ? "iptables-restore" : "ip6tables-restore"},
                here(kRulesV4));
  }

  static bool is_v4() { return GetParam() == "IPv4"; }
  static std::string here(const std::string& text) { return is_v4() ? text : in_v6(text); }

  // What is wrong with the flow, empty if nothing.
  std::string verdict(const std::string& text, const std::string& expect) {
    const std::vector flows{flow(here(text), here(expect))};
    const auto failures = runner_->run(flows);
    return failures.empty() ? "" : failures.front().text;
  }
  void expect_right(const std::string& text, const std::string& expect) {
    runner_->set_patience(std::chrono::seconds{5});
    EXPECT_EQ(verdict(text, expect), "");
  }
  void expect_wrong(const std::string& text, const std::string& expect) {
    runner_->set_patience(std::chrono::milliseconds{500});  // nothing is to come
    EXPECT_NE(verdict(text, expect), "") << text << " passes for " << expect;
  }

  std::unique_ptr<Topology> topology_;
  std::unique_ptr<Responder> responder_;
  std::unique_ptr<FlowRunner> runner_;
};

INSTANTIATE_TEST_SUITE_P(, Lab, testing::Values("IPv4", "IPv6"),
                         [](const auto& family) { return family.param; });

TEST_P(Lab, RecognisesDeliveryAndTheSourceSeenInEveryProtocol) {
  for (const std::string protocol : {"TCP", "UDP", "SCTP"}) {
    const auto rest = ", to: '172.30.0.41', port: 80, protocol: " + protocol;
    expect_right("from: '10.180.0.100'" + rest, "{endpoints: " + kBoth + ", masquerade: false}");
    expect_wrong("from: '10.180.0.100'" + rest, "{endpoints: " + kBoth + ", masquerade: true}");
    expect_right("from: '203.0.113.2'" + rest, "{endpoints: " + kBoth + ", masquerade: true}");
    expect_wrong("from: '203.0.113.2'" + rest, "{endpoints: " + kBoth + ", masquerade: false}");
    expect_wrong("from: '10.180.0.100', repeat: 30" + rest,
                 "{endpoints: ['10.180.0.1:80'], masquerade: false}");
  }
}

TEST_P(Lab, RecognisesWhatTheNodeItselfSends) {
  const std::string to = ", to: '172.30.0.41', port: 80, protocol: ";
  for (const std::string protocol : {"TCP", "UDP", "SCTP"}) {
    expect_right("from: '192.168.0.2'" + to + protocol,
                 "{endpoints: " + kBoth + ", masquerade: true}");
  }
  expect_right("from: '192.168.0.2', to: '192.168.0.2', port: 30001, protocol: TCP",
               "{endpoints: " + kBoth + ", masquerade: true}");
}

TEST_P(Lab, SeesWhatArrivesWhereTheAnswerTakesAnotherWay) {
  for (const std::string protocol : {"TCP", "UDP", "SCTP"}) {
    const auto text = "from: '203.0.113.2', to: '172.30.0.45', port: 80, protocol: " + protocol;
    expect_right(text, "{endpoints: " + kBoth + ", masquerade: false}");
    expect_wrong(text, "{endpoints: " + kBoth + ", masquerade: true}");
    expect_wrong(text + ", repeat: 30", "{endpoints: ['10.180.1.1:80'], masquerade: false}");
  }
}

TEST_P(Lab, TellsRefusedDroppedAndPassedOnApart) {
  for (const std::string from : {"10.180.0.100", "203.0.113.2", "192.168.0.2", "10.180.1.100"}) {
    for (const std::string protocol : {"TCP", "UDP", "SCTP"}) {
      const auto text = [&](const std::string& to) {
        return "from: '" + from + "', to: '" + to + "', port: 80, protocol: " + protocol;
      };
      expect_right(text("172.30.0.42"), "REJECT");
      expect_right(text("172.30.0.43"), "DROP");
      expect_right(text("172.30.0.50"), "PASS");
    }
    const auto tcp = [&](const std::string& to) {
      return "from: '" + from + "', to: '" + to + "', port: 80, protocol: TCP";
    };
    expect_wrong(tcp("172.30.0.42"), "DROP");
    expect_wrong(tcp("172.30.0.50"), "REJECT");
    expect_wrong(tcp("172.30.0.50"), "DROP");
    expect_wrong(tcp("172.30.0.42"), "PASS");
  }
}

TEST_P(Lab, SeesAPacketThatPassesToTheNodeItself) {
  const std::string to_node = "from: '203.0.113.2', to: '192.168.0.2', port: 30009, protocol: ";
  for (const std::string protocol : {"TCP", "UDP", "SCTP"}) {
    expect_right(to_node + protocol, "PASS");
    expect_wrong(to_node + protocol, "DROP");
    expect_wrong(to_node + protocol, "REJECT");
  }
  expect_right("from: '127.0.0.1', to: '127.0.0.1', port: 30009, protocol: TCP", "PASS");
  expect_wrong("from: '203.0.113.2', to: '192.168.0.2', port: 30001, protocol: TCP", "PASS");
}

TEST_P(Lab, LetsInUnderAClosedPolicyOnlyWhatIsAccepted) {
  expect_right("from: '203.0.113.2', to: '192.168.0.2', port: 32000, protocol: TCP", "ACCEPT");
  expect_wrong("from: '203.0.113.2', to: '192.168.0.2', port: 32001, protocol: TCP", "ACCEPT");
  expect_right("from: '203.0.113.2', to: '192.168.0.2', port: 32001, protocol: TCP", "PASS");
}

TEST_P(Lab, HoldsAStickyClientToItsEndpoint) {
  const std::string to = "from: '10.180.0.100', port: 80, protocol: TCP, to: ";
  const auto expected = "{endpoints: " + kBoth + ", masquerade: false}";
  expect_right(to + "'172.30.0.44', sticky: true, repeat: 20", expected);
  expect_wrong(to + "'172.30.0.41', sticky: true, repeat: 20", expected);
  expect_wrong(to + "'172.30.0.44', repeat: 24", expected);
  for (int i = 0; i < 10; ++i) {
    expect_right(to + "'172.30.0.44', stickyGroup: g, repeat: 1", expected);
  }
  std::string strayed;
  for (int i = 0; i < 30 && strayed.empty(); ++i) {
    strayed = verdict(to + "'172.30.0.41', stickyGroup: h, repeat: 1", expected);
  }
  EXPECT_NE(strayed, "");
}

TEST_P(Lab, GivesTheNodeFurtherAddresses) {
  const std::string extra = is_v4() ? "192.168.77.7" : "2001:db8:77::7";
  topology_->add_node_address(address(extra));
  for (const std::string from : {"203.0.113.2", "10.180.0.100", "10.180.1.100", "192.168.0.2"}) {
    expect_right("from: '" + from + "', to: '" + extra + "', port: 30009, protocol: TCP", "PASS");
  }
  expect_right("from: '" + extra + "', to: '172.30.0.50', port: 80, protocol: TCP", "PASS");
}

}  // namespace
}  // namespace netns
