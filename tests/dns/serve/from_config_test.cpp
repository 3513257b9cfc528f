#include "dns/serve/from_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dns::serve {
namespace {

using proxy::config::SocketAddress;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

IpAddress ip(const char* text) {
  return *proxy::parse_ip(text);
}

SocketAddress at(const char* address) {
  return {ip(address), proxy::Port{53}};
}

const std::vector<IpAddress> kNode{ip("127.0.0.1"), ip("192.168.0.2"), ip("::1"), ip("fe80::1"),
                                   ip("2001:db8::2")};

std::vector<std::string> upstreams(const ConfiguredServer& made) {
  std::vector<std::string> out;
  for (const auto& upstream : made.options.forward.upstreams) out.push_back(upstream.text());
  return out;
}

std::string complaint(const proxy::config::Dns& config) {
  const auto made = server_from_config(config, "", {});
  return made ? "" : made.error().text();
}

TEST(ServerFromConfig, ANameServerOnEveryAddressIsFoundAtThoseThatOthersReach) {
  proxy::config::Dns config;
  config.listen = {at("0.0.0.0")};
  EXPECT_THAT(server_from_config(config, "", kNode)->options.responder.name_server_addresses,
              ElementsAre(ip("192.168.0.2")));
  config.listen = {at("::")};
  EXPECT_THAT(server_from_config(config, "", kNode)->options.responder.name_server_addresses,
              ElementsAre(ip("2001:db8::2")));
  config.listen = {at("127.0.0.1")};
  config.node_local = {at("10.96.0.10")};
  EXPECT_THAT(server_from_config(config, "", kNode)->options.responder.name_server_addresses,
              ElementsAre(ip("10.96.0.10"), ip("127.0.0.1")));
}

TEST(ServerFromConfig, AnUpstreamThatIsThisServerIsNotAsked) {
  proxy::config::Dns config;
  config.listen = {at("0.0.0.0")};
  config.node_local = {at("10.96.0.10")};
  config.upstreams = {"127.0.0.53", "192.168.0.2", "10.96.0.10", "10.96.0.10:5353", "192.0.2.1"};
  const auto made = server_from_config(config, "", kNode).value();
  EXPECT_THAT(upstreams(made), ElementsAre("10.96.0.10:5353", "192.0.2.1:53"));
  EXPECT_THAT(made.warnings,
              ElementsAre(HasSubstr("127.0.0.53"), HasSubstr("192.168.0.2"),
                          HasSubstr("10.96.0.10:53 is this server itself; it is not used")));
}

TEST(ServerFromConfig, OnOneLoopbackAddressAnotherIsSomebodyElse) {
  proxy::config::Dns config;
  config.listen = {at("127.0.0.1")};
  const auto made =
      server_from_config(config, "nameserver 127.0.0.53\nsearch example.org\n", kNode).value();
  EXPECT_THAT(upstreams(made), ElementsAre("127.0.0.53:53"));
  EXPECT_THAT(made.warnings, IsEmpty());
}

TEST(ServerFromConfig, AMistakeIsNamedByItsFlag) {
  proxy::config::Dns config;
  config.cluster_domain = ".";
  EXPECT_EQ(complaint(config), "--cluster-domain: the root is not a domain");
  config.cluster_domain = std::string(61, 'a');
  EXPECT_EQ(complaint(config), "--cluster-domain: longer than 60 characters");
  config.cluster_domain = "cluster.local";
  config.upstreams = {"nowhere"};
  EXPECT_THAT(complaint(config), StartsWith("--dns-upstream: "));
  config.upstreams = {};
  config.stub_domains = {"example.org"};
  EXPECT_EQ(complaint(config), "--dns-stub-domain: \"example.org\" is not DOMAIN=ADDR");
  config.stub_domains = {"example.org=nowhere"};
  EXPECT_THAT(complaint(config), StartsWith("--dns-stub-domain: "));
}

}  // namespace
}  // namespace dns::serve
