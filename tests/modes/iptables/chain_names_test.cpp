// The names and numbers of the ecosystem, by the examples of tests/conformance/naming.yaml.
#include "modes/iptables/chain_names.hpp"

#include "modes/netfilter/rule_codec.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <cmath>

namespace modes::iptables {
namespace {

using proxy::Family;
using proxy::IpAddress;
using proxy::Port;

// "10.0.0.1:80" or "[fd00::1]:80".
Endpoint parse_endpoint(const std::string& text) {
  const auto colon = text.rfind(':');
  auto address = text.substr(0, colon);
  if (address.starts_with('[')) address = address.substr(1, address.size() - 2);
  return {*proxy::parse_ip(address),
          Port{static_cast<std::uint16_t>(std::stoi(text.substr(colon + 1)))}};
}

ServicePortName parse_name(const YAML::Node& example, Family family) {
  auto protocol = example["protocol"].as<std::string>();
  std::ranges::transform(protocol, protocol.begin(),
                         [](char c) { return static_cast<char>(std::toupper(c)); });
  return {{example["namespace"].as<std::string>(), example["service"].as<std::string>()},
          example["portName"].as<std::string>(),
          *proxy::parse_protocol(protocol),
          family};
}

TEST(ChainNames, AreThoseThatKubeProxyGivesTheSameServiceAndEndpoint) {
  const auto hash = YAML::LoadFile(VIADUCT_CONFORMANCE "/naming.yaml")["iptables"]["hash"];
  ASSERT_GE(hash["examples"].size(), 10U);
  for (const auto& example : hash["examples"]) {
    const auto endpoint = parse_endpoint(example["endpoint"].as<std::string>());
    const auto name = parse_name(example, endpoint.address.family());
    SCOPED_TRACE(name.text());
    const ServiceChainNames names{name};
    EXPECT_EQ(hashed_string(name), example["hashedString"].as<std::string>());
    EXPECT_EQ(names.hash, example["serviceHash"].as<std::string>());
    std::vector<std::string> chains;
    for (const auto& chain : {names.cluster, names.local, names.external, names.firewall})
      chains.emplace_back(chain.view());
    EXPECT_EQ(chains, example["chains"].as<std::vector<std::string>>());
    EXPECT_EQ(hashed_string(name) + endpoint.text(),
              example["endpointHashedString"].as<std::string>());
    EXPECT_EQ(endpoint_chain(hashed_string(name), endpoint).view(),
              example["endpointChain"].as<std::string>());
  }
}

TEST(ChainNames, AreToldFromNamesThatOthersGive) {
  for (const auto* ours : {"KUBE-SVC-A", "KUBE-SVL-A", "KUBE-EXT-A", "KUBE-FW-A", "KUBE-SEP-A",
                           "KUBE-SVCT-A", "KUBE-SVCE-A", "KUBE-SVLE-A"}) {
    EXPECT_TRUE(is_service_chain(ours)) << ours;
  }
  for (const auto* other : {"KUBE-SERVICES", "KUBE-FIREWALL", "KUBE-MARK-MASQ", "KUBE-XLB-A",
                            "cali-KUBE-SVC-A", "KUBE-SVC", ""}) {
    EXPECT_FALSE(is_service_chain(other)) << other;
  }
}

double as_printed(std::uint32_t probability) {
  return static_cast<double>(probability) / 0x80000000LL;
}

TEST(Probability, IsWhatIptablesReadsFromTheTenDecimalsOfKubeProxy) {
  using netfilter::probability_of;
  EXPECT_EQ(probability_of(1, 2), 0x40000000U);
  EXPECT_EQ(probability_of(1, 100'000), std::lround(0.0000100000 * 0x80000000LL));
  EXPECT_EQ(probability_of(1, 100'001), std::lround(0.0000099999 * 0x80000000LL));
  for (std::uint32_t remaining = 2; remaining < 3000; ++remaining) {
    ASSERT_NEAR(as_printed(probability_of(1, remaining)), 1.0 / remaining, 3e-10);
  }
}

TEST(Probability, OfTheLastChoiceIsAlwaysAndOfNoOtherIs) {
  using netfilter::probability_of;
  EXPECT_EQ(probability_of(1, 1), 0U);
  EXPECT_EQ(probability_of(17, 17), 0U);
  EXPECT_NE(probability_of(1, 0xffffffff), 0U);
  EXPECT_LT(probability_of(0xfffffffe, 0xffffffff), 0x80000001U);
}

}  // namespace
}  // namespace modes::iptables
