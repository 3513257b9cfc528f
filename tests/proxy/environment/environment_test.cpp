#include "proxy/environment/environment.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proxy::environment {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Key;
using testing::Not;
using testing::Pair;

records::ServicePortSpec port(std::uint16_t number, std::string name = "",
                              Protocol protocol = Protocol::tcp) {
  return {.name = std::move(name),
          .protocol = protocol,
          .port = Port{number},
          .node_port = {},
          .target_port = Port{number}};
}

records::Service service(records::ObjectName name, const char* ip,
                         std::vector<records::ServicePortSpec> ports) {
  records::Service out;
  out.name = std::move(name);
  out.cluster_ips = {*parse_ip(ip)};
  out.ports = std::move(ports);
  return out;
}

Environment with(std::vector<records::Record> all) {
  Environment environment;
  environment.replace(all);
  return environment;
}

// The example of "Discovering services" in Kubernetes' documentation.
TEST(Environment, NamesHostPortAndLinkOfAService) {
  const auto environment = with({service({"shop", "redis-primary"}, "10.0.0.11", {port(6379)})});
  EXPECT_THAT(environment.variables("shop"),
              ElementsAre(Pair("REDIS_PRIMARY_PORT", "tcp://10.0.0.11:6379"),
                          Pair("REDIS_PRIMARY_PORT_6379_TCP", "tcp://10.0.0.11:6379"),
                          Pair("REDIS_PRIMARY_PORT_6379_TCP_ADDR", "10.0.0.11"),
                          Pair("REDIS_PRIMARY_PORT_6379_TCP_PORT", "6379"),
                          Pair("REDIS_PRIMARY_PORT_6379_TCP_PROTO", "tcp"),
                          Pair("REDIS_PRIMARY_SERVICE_HOST", "10.0.0.11"),
                          Pair("REDIS_PRIMARY_SERVICE_PORT", "6379")));
}

TEST(Environment, TheFirstPortAsWrittenIsThePortOfTheService) {
  const auto environment = with({service({"shop", "abc-123"}, "5.6.7.8",
                                         {port(8081, "u-d-p", Protocol::udp), port(80, "a-first"),
                                          port(3868, "sig", Protocol::sctp)})});
  EXPECT_THAT(environment.variables("shop"),
              AllOf(Contains(Pair("ABC_123_SERVICE_PORT", "8081")),
                    Contains(Pair("ABC_123_PORT", "udp://5.6.7.8:8081")),
                    Contains(Pair("ABC_123_SERVICE_PORT_U_D_P", "8081")),
                    Contains(Pair("ABC_123_SERVICE_PORT_A_FIRST", "80")),
                    Contains(Pair("ABC_123_PORT_8081_UDP_PROTO", "udp")),
                    Contains(Pair("ABC_123_PORT_80_TCP", "tcp://5.6.7.8:80")),
                    Contains(Pair("ABC_123_PORT_3868_SCTP", "sctp://5.6.7.8:3868"))));
}

TEST(Environment, UrlsHaveAnIpv6AddressInBracketsAndHostsHaveNot) {
  const auto environment = with({service({"shop", "six"}, "fd00:96::7", {port(80)})});
  EXPECT_THAT(environment.variables("shop"),
              AllOf(Contains(Pair("SIX_SERVICE_HOST", "fd00:96::7")),
                    Contains(Pair("SIX_PORT_80_TCP_ADDR", "fd00:96::7")),
                    Contains(Pair("SIX_PORT", "tcp://[fd00:96::7]:80"))));
}

TEST(Environment, ADualStackServiceIsKnownByItsFirstAddress) {
  auto dual = service({"shop", "dual"}, "fd00:96::7", {port(80)});
  dual.cluster_ips.push_back(*parse_ip("10.96.0.7"));
  EXPECT_THAT(with({dual}).variables("shop"), Contains(Pair("DUAL_SERVICE_HOST", "fd00:96::7")));
}

TEST(Environment, ServicesWithoutClusterIpAreLeftOut) {
  auto headless = service({"shop", "headless"}, "10.96.0.1", {port(80)});
  headless.headless = true;
  headless.cluster_ips.clear();
  auto external = service({"shop", "external"}, "10.96.0.2", {port(80)});
  external.type = records::ServiceType::external_name;
  external.cluster_ips.clear();
  auto waiting = service({"shop", "waiting"}, "10.96.0.3", {port(80)});
  waiting.cluster_ips.clear();
  EXPECT_THAT(with({headless, external, waiting}).variables("shop"), IsEmpty());
}

TEST(Environment, EveryPodIsToldOfTheApiServerAndOfNoOtherNamespace) {
  const auto environment = with({service({"default", "kubernetes"}, "10.96.0.1", {port(443)}),
                                 service({"default", "other"}, "10.96.0.2", {port(80)}),
                                 service({"shop", "cart"}, "10.96.0.3", {port(80)})});
  EXPECT_THAT(environment.variables("shop"),
              AllOf(Contains(Pair("KUBERNETES_SERVICE_HOST", "10.96.0.1")),
                    Contains(Pair("CART_SERVICE_HOST", "10.96.0.3")),
                    Not(Contains(Key("OTHER_SERVICE_HOST")))));
  EXPECT_THAT(environment.variables("default"),
              AllOf(Contains(Key("KUBERNETES_SERVICE_HOST")), Contains(Key("OTHER_SERVICE_HOST"))));
  EXPECT_THAT(environment.variables("empty"), Contains(Key("KUBERNETES_SERVICE_HOST")));
}

TEST(Environment, ANamesakeOfTheApiServerHidesItFromItsNamespace) {
  const auto environment =
      with({service({"default", "kubernetes"}, "10.96.0.1", {port(443, "https")}),
            service({"shop", "kubernetes"}, "10.96.0.9", {port(80)})});
  EXPECT_THAT(environment.variables("shop"),
              AllOf(Contains(Pair("KUBERNETES_SERVICE_HOST", "10.96.0.9")),
                    Not(Contains(Key("KUBERNETES_PORT_443_TCP")))));
}

TEST(Environment, FollowsChanges) {
  auto environment = with({service({"shop", "cart"}, "10.96.0.3", {port(80)})});
  environment.change(std::vector<sources::Change>{
      sources::Removal{{records::Kind::service, {"shop", "cart"}}},
      records::Record{service({"shop", "till"}, "10.96.0.4", {port(80)})}});
  EXPECT_THAT(environment.variables("shop"),
              AllOf(Not(Contains(Key("CART_SERVICE_HOST"))), Contains(Key("TILL_SERVICE_HOST"))));
  auto now_headless = service({"shop", "till"}, "10.96.0.4", {port(80)});
  now_headless.headless = true;
  environment.change(std::vector<sources::Change>{records::Record{now_headless}});
  EXPECT_THAT(environment.variables("shop"), IsEmpty());
  environment.replace({});
  EXPECT_THAT(environment.variables("shop"), IsEmpty());
}

TEST(NamespaceOfARequest, IsALabelAndNothingElse) {
  EXPECT_EQ(namespace_from(R"({"command":"env","namespace":"kube-system"})").value(),
            "kube-system");
  for (const auto* bad : {R"({})", R"({"namespace":""})", R"({"namespace":"a/b"})",
                          R"({"namespace":"a\nb"})", R"({"namespace":7})", "{"}) {
    EXPECT_FALSE(namespace_from(bad)) << bad;
  }
}

TEST(EnvironmentDocument, HasTheVariablesByName) {
  EXPECT_EQ(environment_document("shop", {{"A_PORT", "tcp://1.2.3.4:5"}}),
            R"({"namespace":"shop","variables":{"A_PORT":"tcp://1.2.3.4:5"}})");
}

}  // namespace
}  // namespace proxy::environment
