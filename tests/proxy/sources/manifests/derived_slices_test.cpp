#include "proxy/sources/manifests/derived_slices.hpp"

#include "tests/proxy/sources/manifests/samples.hpp"

#include <gmock/gmock.h>

namespace proxy::sources::manifests {
namespace {

using records::Endpoints;
using records::EndpointSlice;
using testing::ElementsAre;
using testing::IsEmpty;

class DerivedSlicesTest : public testing::Test {
 protected:
  void set(records::Record record) {
    const auto key = key_of(record);
    derived_.apply({key, std::make_unique<records::Record>(std::move(record))});
  }
  void erase(records::Kind kind, const std::string& name) {
    derived_.apply({{kind, {"shop", name}}, nullptr});
  }
  // "slice: addresses" of what came, "-slice" of what went.
  std::vector<std::string> changes() {
    std::vector<std::string> found;
    for (const auto& change : derived_.take_changes()) {
      EXPECT_EQ(change.key.name.space, "shop");
      if (!change.after) {
        found.push_back("-" + change.key.name.name);
        continue;
      }
      auto text = change.key.name.name + ":";
      for (const auto& endpoint : std::get<EndpointSlice>(*change.after).endpoints) {
        text += " " + endpoint.address.text();
      }
      found.push_back(std::move(text));
    }
    return found;
  }
  static Endpoints endpoints(std::string_view name, std::string_view address) {
    Endpoints endpoints{
        .name = {"shop", std::string{name}}, .headless_label = false, .subsets = {}};
    endpoints.subsets.emplace_back();
    endpoints.subsets[0].endpoints.emplace_back();
    endpoints.subsets[0].endpoints[0].address = ip(address);
    return endpoints;
  }

  DerivedSlices derived_;
};

TEST_F(DerivedSlicesTest, AServiceGetsThePodsThatItSelectsInWhateverOrderTheyCome) {
  set(pod("web-1", "web", "10.0.0.2"));
  set(service("web"));
  set(pod("web-0", "web", "10.0.0.1"));
  set(pod("db-0", "db", "10.0.0.9"));
  EXPECT_THAT(changes(), ElementsAre("web~pods-ipv4-8080: 10.0.0.1 10.0.0.2"));
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_F(DerivedSlicesTest, APodThatComesGoesOrIsRelabelledChangesOnlyItsServices) {
  set(service("web"));
  set(service("db"));
  set(pod("web-0", "web", "10.0.0.1"));
  set(pod("db-0", "db", "10.0.0.9"));
  changes();
  set(pod("web-1", "web", "10.0.0.2"));
  EXPECT_THAT(changes(), ElementsAre("web~pods-ipv4-8080: 10.0.0.1 10.0.0.2"));
  set(pod("web-0", "db", "10.0.0.1"));
  EXPECT_THAT(changes(),
              ElementsAre("db~pods-ipv4-8080: 10.0.0.9 10.0.0.1", "web~pods-ipv4-8080: 10.0.0.2"));
  erase(records::Kind::pod, "web-1");
  EXPECT_THAT(changes(), ElementsAre("-web~pods-ipv4-8080"));
}

TEST_F(DerivedSlicesTest, PodsOfOtherNamespacesDoNotCount) {
  set(service("web"));
  auto other = pod("web-0", "web", "10.0.0.1");
  other.name.space = "elsewhere";
  set(other);
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_F(DerivedSlicesTest, SliceOfItsOwnWinsAndWhenItGoesThePodsAreBack) {
  set(service("web"));
  set(pod("web-0", "web", "10.0.0.1"));
  changes();
  set(slice("web-1", "web", "10.0.0.7"));
  EXPECT_THAT(changes(), ElementsAre("-web~pods-ipv4-8080"));
  set(slice("web-2", "web", "10.0.0.8"));
  erase(records::Kind::endpoint_slice, "web-1");
  EXPECT_THAT(changes(), IsEmpty());
  set(slice("web-2", "other", "10.0.0.8"));  // its label names another service now
  EXPECT_THAT(changes(), ElementsAre("web~pods-ipv4-8080: 10.0.0.1"));
}

TEST_F(DerivedSlicesTest, EndpointsWrittenByHandComeBeforePods) {
  auto web = service("web");
  set(web);
  set(pod("web-0", "web", "10.0.0.1"));
  changes();
  set(endpoints("web", "192.0.2.1"));
  EXPECT_THAT(changes(), ElementsAre("web~endpoints-ipv4-0: 192.0.2.1", "-web~pods-ipv4-8080"));
  set(endpoints("web", "192.0.2.2"));
  EXPECT_THAT(changes(), ElementsAre("web~endpoints-ipv4-0: 192.0.2.2"));
  set(slice("web-1", "web", "10.0.0.7"));
  EXPECT_THAT(changes(), ElementsAre("-web~endpoints-ipv4-0"));
  erase(records::Kind::endpoint_slice, "web-1");
  EXPECT_THAT(changes(), ElementsAre("web~endpoints-ipv4-0: 192.0.2.2"));
  erase(records::Kind::endpoints, "web");
  EXPECT_THAT(changes(), ElementsAre("web~pods-ipv4-8080: 10.0.0.1", "-web~endpoints-ipv4-0"));
}

TEST_F(DerivedSlicesTest, AServiceWithoutSelectorOrOnlyAnAliasGetsNoPods) {
  auto bare = service("web");
  bare.selector.clear();
  auto alias = service("db");
  alias.type = records::ServiceType::external_name;
  set(bare);
  set(alias);
  set(pod("web-0", "web", "10.0.0.1"));
  set(pod("db-0", "db", "10.0.0.2"));
  EXPECT_THAT(changes(), IsEmpty());
  set(service("web"));
  EXPECT_THAT(changes(), ElementsAre("web~pods-ipv4-8080: 10.0.0.1"));
  set(bare);
  EXPECT_THAT(changes(), ElementsAre("-web~pods-ipv4-8080"));
}

TEST_F(DerivedSlicesTest, AChangeThatTheEndpointsDoNotShowIsNone) {
  set(service("web"));
  set(pod("web-0", "web", "10.0.0.1"));
  changes();
  auto relabelled = pod("web-0", "web", "10.0.0.1");
  relabelled.labels.emplace("version", "2");
  set(relabelled);
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_F(DerivedSlicesTest, ServicesThatShareALabelAreToldApartByTheRestOfTheirSelectors) {
  for (const auto* app : {"a", "b", "c"}) {
    auto one = service(app);
    one.selector.emplace("aaa", "everybody");
    set(one);
    auto its_pod = pod(std::string{app} + "-0", app, "10.0.0.1");
    its_pod.labels.emplace("aaa", "everybody");
    set(its_pod);
  }
  changes();
  erase(records::Kind::pod, "b-0");
  EXPECT_THAT(changes(), ElementsAre("-b~pods-ipv4-8080"));
  erase(records::Kind::service, "a");
  EXPECT_THAT(changes(), ElementsAre("-a~pods-ipv4-8080"));
}

TEST_F(DerivedSlicesTest, EverythingMayGoAndComeAgain) {
  for (int round = 0; round < 2; ++round) {
    set(service("web"));
    set(pod("web-0", "web", "10.0.0.1"));
    EXPECT_THAT(changes(), ElementsAre("web~pods-ipv4-8080: 10.0.0.1"));
    erase(records::Kind::service, "web");
    erase(records::Kind::pod, "web-0");
    EXPECT_THAT(changes(), ElementsAre("-web~pods-ipv4-8080"));
  }
}

}  // namespace
}  // namespace proxy::sources::manifests
