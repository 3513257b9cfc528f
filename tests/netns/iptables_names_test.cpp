// The names, comments and shapes of tests/conformance/naming.yaml in what iptables-save prints:
// what people and tools look for.
#include "tests/netns/rules_lab.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <map>
#include <regex>
#include <string>

namespace netns {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

YAML::Node naming() {
  return YAML::LoadFile(VIADUCT_CONFORMANCE "/naming.yaml")["iptables"];
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

// A comment of naming.yaml as a regular expression.
std::string comment_pattern(std::string comment) {
  for (const auto& [word, pattern] :
       std::map<std::string, std::string>{{"NS/NAME:PORT", "ns1/[a-z]+:[a-z]+"},
                                          {"IP:PORT", "[^ ]+:[0-9]+"},
                                          {"HASH", "[A-Z2-7]{16}"}}) {
    comment = replaced(comment, word, pattern);
  }
  return comment;
}

class IptablesNames : public RulesLab {
 protected:
  // Of one table: the lines between "*table" and "COMMIT".
  std::string rules(Family family, const std::string& table) {
    const auto all = lab_->saved_rules(family);
    const auto begin = all.find("*" + table + "\n");
    return begin == std::string::npos ? "" : all.substr(begin, all.find("COMMIT", begin) - begin);
  }
  std::string sysctl(const std::string& path) {
    auto text = run_or_fail(lab_->node().net, {"cat", "/proc/sys/net/" + path});
    return text.substr(0, text.find('\n'));
  }
};

TEST_F(IptablesNames, TheFixedChainsAreThere) {
  start_with_services();
  const auto fixed = naming()["fixedChains"];
  for (const auto family : proxy::kFamilies) {
    for (const auto* table : {"nat", "filter"}) {
      ASSERT_GE(fixed[table].size(), 4U);
      for (const auto& chain : fixed[table]) {
        const auto name = chain.as<std::string>();
        // Guards localhost node ports, which IPv6 does not have.
        if (name == "KUBE-FIREWALL" && family == Family::v6) continue;
        EXPECT_THAT(rules(family, table), HasSubstr("\n:" + name + " -\n")) << table;
      }
    }
  }
}

TEST_F(IptablesNames, TheJumpsEverybodyLooksForAreThere) {
  start_with_services();
  const auto jumps = naming()["jumps"];
  ASSERT_GT(jumps.size(), 5U);
  for (const auto family : proxy::kFamilies) {
    for (const auto& jump : jumps) {
      const auto to = jump["to"].as<std::string>();
      if (to == "KUBE-FIREWALL" && family == Family::v6) continue;
      std::string rule = "\n-A " + jump["hook"].as<std::string>();
      if (!jump["ctstate"].IsNull()) {
        rule += " -m conntrack --ctstate " + jump["ctstate"].as<std::string>();
      }
      if (!jump["comment"].IsNull()) {
        rule += " -m comment --comment \"" + jump["comment"].as<std::string>() + "\"";
      }
      EXPECT_THAT(rules(family, jump["table"].as<std::string>()),
                  HasSubstr(rule + " -j " + to + "\n"));
    }
  }
}

TEST_F(IptablesNames, JumpsStandBeforeWhatOthersHaveInTheBuiltInChains) {
  for (const auto* chain : {"PREROUTING", "OUTPUT", "POSTROUTING"}) {
    run_or_fail(lab_->node().net, {"iptables", "-t", "nat", "-A", chain, "-d", "203.0.113.99"});
  }
  start_with_services();
  for (const auto* chain : {"PREROUTING", "OUTPUT", "POSTROUTING"}) {
    const auto nat = rules(Family::v4, "nat");
    const auto first = nat.find(std::string{"\n-A "} + chain);
    EXPECT_LT(nat.find("-j KUBE-", first), nat.find("203.0.113.99", first)) << nat;
  }
}

TEST_F(IptablesNames, EveryCommentThatKubeProxyWritesIsThere) {
  start_with_services();
  const auto comments = naming()["comments"];
  ASSERT_GT(comments.size(), 15U);
  for (const auto family : proxy::kFamilies) {
    const auto all = lab_->saved_rules(family);
    for (const auto& comment : comments) {
      auto text = comment.as<std::string>();
      if (text == "block incoming localnet connections" && family == Family::v6) continue;
      text = replaced(text, " (node port and endpoint rules)", "");
      const std::regex wanted{"--comment \"?" + comment_pattern(text) + "\"?[ \n]"};
      EXPECT_TRUE(std::regex_search(all, wanted)) << text << " in\n" << all;
    }
  }
}

TEST_F(IptablesNames, SessionAffinityIsARecentListNamedLikeTheEndpointsChain) {
  start_with_services();
  const auto nat = rules(Family::v4, "nat");
  // In the service's chain, before the rules that balance.
  const std::regex check{
      "-A (KUBE-SVC-[A-Z2-7]{16}) [^\n]*-m recent --rcheck --seconds 600 --reap --name "
      "(KUBE-SEP-[A-Z2-7]{16}) [^\n]*-j (KUBE-SEP-[A-Z2-7]{16})\n"};
  std::smatch found;
  ASSERT_TRUE(std::regex_search(nat, found, check)) << nat;
  EXPECT_EQ(found[2], found[3]);
  const auto balancing = nat.find("-A " + found[1].str() + " -m comment");
  EXPECT_GT(nat.find("-m statistic", balancing), nat.find("--rcheck", balancing));
  EXPECT_THAT(nat, ContainsRegex("-A " + found[2].str() + " [^\n]*-m recent --set --name " +
                                 found[2].str() + " [^\n]*-j DNAT"));
}

TEST_F(IptablesNames, TheMasqueradeMarkIsSetTestedAndClearedByOneBit) {
  start_with_services();
  for (const auto family : proxy::kFamilies) {
    const auto nat = rules(family, "nat");
    EXPECT_THAT(nat, HasSubstr("-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000\n"));
    EXPECT_THAT(nat, ContainsRegex("-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN\n"
                                   "-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0\n"
                                   "-A KUBE-POSTROUTING [^\n]*-j MASQUERADE --random-fully\n"));
  }
}

TEST_F(IptablesNames, WhatIsForwardedIsAcceptedAndWhatIsInvalidDropped) {
  start_with_services();
  for (const auto family : proxy::kFamilies) {
    EXPECT_THAT(
        rules(family, "filter"),
        ContainsRegex("-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP\n"
                      "-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 [^\n]*-j ACCEPT\n"
                      "-A KUBE-FORWARD [^\n]*--ctstate RELATED,ESTABLISHED [^\n]*-j ACCEPT\n"));
  }
}

TEST_F(IptablesNames, InvalidPacketsPassWhereConnectionTrackingIsLiberal) {
  lab_->node().net.set("netfilter/nf_conntrack_tcp_be_liberal", "1");
  start_with_services();
  EXPECT_THAT(rules(Family::v4, "filter"), Not(HasSubstr("--ctstate INVALID")));
}

TEST_F(IptablesNames, LocalhostNodePortsAreGuardedFromOutside) {
  start_with_services();
  EXPECT_THAT(rules(Family::v4, "filter"),
              ContainsRegex("-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m conntrack ! "
                            "--ctstate RELATED,ESTABLISHED,DNAT [^\n]*-j DROP\n"));
  EXPECT_EQ(sysctl("ipv4/conf/all/route_localnet"), "1");
}

TEST_F(IptablesNames, LocalhostIsLeftAloneWhereNodePortAddressesLeaveItOut) {
  auto settings = usual_settings();
  settings.node_port_addresses = {"192.168.0.0/24"};
  lab_.reset();
  lab_.emplace(settings, "iptables");
  start_with_services();
  EXPECT_THAT(rules(Family::v4, "filter"), Not(HasSubstr("127.0.0.0/8")));
  EXPECT_EQ(sysctl("ipv4/conf/all/route_localnet"), "0");
}

TEST_F(IptablesNames, OfAServiceAreFoundByTheHashAndCommentEverybodyComputes) {
  const auto examples = naming()["hash"]["examples"];
  ASSERT_GT(examples.size(), 5U);
  int number = 0;
  std::map<std::string, YAML::Node> services;
  for (const auto& example : examples) {
    const auto endpoint = parse_socket_address(example["endpoint"].as<std::string>());
    const bool v4 = endpoint.ip.family() == Family::v4;
    const auto name_space = example["namespace"].as<std::string>();
    const auto name = example["service"].as<std::string>();
    const auto port_name = example["portName"].as<std::string>();
    auto protocol = example["protocol"].as<std::string>();
    std::ranges::transform(protocol, protocol.begin(),
                           [](unsigned char c) { return std::toupper(c); });
    YAML::Node port;
    if (!port_name.empty()) port["name"] = port_name;
    port["port"] = 80 + number;
    port["protocol"] = protocol;
    auto& service = services[name_space + "/" + name];
    if (!service["kind"]) {
      const auto vip = (v4 ? "172.30.1." : "fd00:172:30::1:") + std::to_string(10 + number);
      service["apiVersion"] = "v1";
      service["kind"] = "Service";
      service["metadata"]["namespace"] = name_space;
      service["metadata"]["name"] = name;
      service["spec"]["clusterIP"] = vip;
      service["spec"]["clusterIPs"].push_back(vip);
    }
    service["spec"]["ports"].push_back(port);
    YAML::Node slice;
    slice["apiVersion"] = "discovery.k8s.io/v1";
    slice["kind"] = "EndpointSlice";
    slice["metadata"]["namespace"] = name_space;
    slice["metadata"]["name"] = name + "-" + std::to_string(number++);
    slice["metadata"]["labels"]["kubernetes.io/service-name"] = name;
    slice["addressType"] = v4 ? "IPv4" : "IPv6";
    YAML::Node slice_port;
    slice_port["name"] = port_name;
    slice_port["port"] = endpoint.port.value;
    slice_port["protocol"] = protocol;
    slice["ports"].push_back(slice_port);
    slice["endpoints"][0]["addresses"].push_back(endpoint.ip.text());
    lab_->cluster().apply(parse_object(slice));
  }
  for (const auto& [key, service] : services) lab_->cluster().apply(parse_object(service));
  lab_->start();
  lab_->settle();
  for (const auto& example : examples) {
    const auto endpoint = example["endpoint"].as<std::string>();
    const auto family = endpoint.starts_with('[') ? Family::v6 : Family::v4;
    const auto rules = lab_->saved_rules(family);
    const auto chain = "KUBE-SVC-" + example["serviceHash"].as<std::string>();
    EXPECT_THAT(rules, HasSubstr(":" + chain + " "));
    auto portname = example["portName"].as<std::string>();
    const auto full = example["namespace"].as<std::string>() + "/" +
                      example["service"].as<std::string>() +
                      (portname.empty() ? "" : ":" + portname);
    const std::regex dispatch{"--comment \"" + full + " cluster IP\"[^\n]* -j " + chain + "\n"};
    EXPECT_TRUE(std::regex_search(rules, dispatch)) << full << "\n" << rules;
    EXPECT_THAT(rules, HasSubstr("--to-destination " + endpoint));
  }
}

}  // namespace
}  // namespace netns
