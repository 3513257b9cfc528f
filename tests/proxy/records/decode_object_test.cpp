#include "tests/proxy/records/decoding.hpp"

#include <gmock/gmock.h>

namespace proxy::records {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

std::string object(std::string_view type, std::string_view name) {
  return "{" + std::string{type} + R"("metadata":{"name":")" + std::string{name} + R"("}})";
}
const std::string kService = R"("apiVersion":"v1","kind":"Service",)";

std::string name_of_outcome(const Outcome& outcome) {
  const auto* good = std::get_if<Decoded>(&outcome);
  return good ? name_of(good->record).text() : "-";
}

TEST(DecodeObject, ObjectsOfOtherKindsAreSkippedByName) {
  const auto outcome = decode_yaml(
      "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}}");
  ASSERT_TRUE(std::holds_alternative<Skipped>(outcome));
  EXPECT_EQ(std::get<Skipped>(outcome).text(), "apps/v1 Deployment shop/web");
}

TEST(DecodeObject, AServiceOfAnotherGroupIsNotOurs) {
  EXPECT_TRUE(std::holds_alternative<Skipped>(
      decode_yaml("{apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: web}}")));
}

TEST(DecodeObject, AnOtherVersionOfOursIsAnError) {
  EXPECT_EQ(error_of(decode_yaml("{apiVersion: discovery.k8s.io/v1beta1, kind: EndpointSlice, "
                                 "metadata: {name: web}, addressType: IPv4}")),
            "EndpointSlice default/web: apiVersion: \"discovery.k8s.io/v1beta1\" is not supported, "
            "only discovery.k8s.io/v1");
}

TEST(DecodeObject, WithoutKindApiVersionOrNameItIsRefused) {
  EXPECT_EQ(error_of(decode_yaml("{apiVersion: v1, metadata: {name: web}}")), "kind: is missing");
  EXPECT_EQ(error_of(decode_yaml("{kind: Service, metadata: {name: web}}")),
            "apiVersion: is missing");
  EXPECT_THAT(error_of(decode_yaml("{apiVersion: v1, kind: Service}")),
              HasSubstr("metadata.name: is missing"));
  EXPECT_THAT(error_of(decode_yaml("{apiVersion: v1, kind: Service, metadata: {name: ''}}")),
              HasSubstr("metadata.name: is missing"));
}

TEST(DecodeObject, NamesThatNoApiServerAcceptsAreRefusedAndShownHarmlessly) {
  EXPECT_EQ(error_of(decode_yaml("{apiVersion: v1, kind: Service, metadata: {name: My_Web}}")),
            "Service default/\"My_Web\": metadata.name: \"My_Web\" is not a DNS label");
  EXPECT_EQ(error_of(decode_yaml("{apiVersion: v1, kind: Pod, metadata: {name: \"a\\nb\"}}")),
            "Pod default/\"a\\nb\": metadata.name: \"a\\nb\" is not a DNS name");
  EXPECT_EQ(error_of(decode_yaml("{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: "
                                 "../b}}")),
            "Pod \"../b\"/a: metadata.namespace: \"../b\" is not a DNS label");
}

TEST(DecodeObject, AnErrorTellsWhichObjectItWasGoingToBe) {
  const auto outcome = decode_yaml(
      "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 0}]}}");
  EXPECT_EQ(std::get<Rejected>(outcome).key, (RecordKey{Kind::service, {"default", "web"}}));
}

TEST(DecodeObject, KeepsTheResourceVersionForThoseWhoWatch) {
  const auto outcome = decode_yaml(
      "{apiVersion: v1, kind: Service, metadata: {name: web, resourceVersion: '123456789'}}");
  EXPECT_EQ(std::get<Decoded>(outcome).resource_version, "123456789");
}

TEST(DecodeObject, TheHintCountsOnlyWhereTheObjectIsSilent) {
  Decoder decoder;
  const TypeHint hint{.api_version = "v1", .kind = "Service"};
  EXPECT_EQ(name_of_outcome(decoder.decode_object(object("", "web"), hint)), "default/web");
  const auto pod = decoder.decode_object(object(R"("kind":"Pod",)", "web"), hint);
  EXPECT_EQ(kind_of(std::get<Decoded>(pod).record), Kind::pod);
}

TEST(DecodeList, AListIsItsItems) {
  const auto outcomes = decode_all(R"({"apiVersion":"v1","kind":"List","items":[)" +
                                   object(kService, "a") + "," + object(kService, "b") + "]}");
  ASSERT_THAT(outcomes, SizeIs(2));
  EXPECT_EQ(name_of_outcome(outcomes[0]), "default/a");
  EXPECT_EQ(name_of_outcome(outcomes[1]), "default/b");
}

TEST(DecodeList, ItemsOfATypedListNeedNoType) {
  const auto services = decode_all(R"({"items":[)" + object("", "a") +
                                   R"(],"kind":"ServiceList","apiVersion":"v1"})");
  ASSERT_THAT(services, SizeIs(1));
  EXPECT_EQ(name_of_outcome(services[0]), "default/a");
  EXPECT_THAT(decode_all(R"({"items":[],"kind":"PodList","apiVersion":"v1"})"), SizeIs(0));
  EXPECT_THAT(decode_all(R"({"items":null,"kind":"PodList","apiVersion":"v1"})"), SizeIs(1));
}

TEST(DecodeList, ItemsOfAPlainListDo) {
  const auto outcomes =
      decode_all(R"({"kind":"List","apiVersion":"v1","items":[)" + object("", "a") + "]}");
  ASSERT_THAT(outcomes, SizeIs(1));
  EXPECT_EQ(error_of(outcomes[0]), "items[0]: kind: is missing");
}

TEST(DecodeList, OneBadItemDoesNotTakeTheOthersDown) {
  const auto outcomes =
      decode_all(R"({"kind":"List","apiVersion":"v1","items":[)" + object(kService, "a") +
                 R"(,{"oops" 7},42,)" + object(kService, "b") + "]}");
  ASSERT_THAT(outcomes, SizeIs(4));
  EXPECT_EQ(name_of_outcome(outcomes[0]), "default/a");
  EXPECT_THAT(error_of(outcomes[1]), HasSubstr("items[1]: not JSON"));
  EXPECT_EQ(error_of(outcomes[2]), "items[2]: not an object");
  EXPECT_EQ(name_of_outcome(outcomes[3]), "default/b");
}

TEST(DecodeList, ListsMayHoldListsButNotWithoutEnd) {
  std::string nested = object(kService, "a");
  for (int i = 0; i < 3; ++i)
    nested = R"({"kind":"List","apiVersion":"v1","items":[)" + nested + "]}";
  EXPECT_EQ(name_of_outcome(decode_all(nested).at(0)), "default/a");
  for (int i = 0; i < 3; ++i)
    nested = R"({"kind":"List","apiVersion":"v1","items":[)" + nested + "]}";
  EXPECT_EQ(error_of(decode_all(nested).at(0)), "too many lists in lists");
}

TEST(DecodeList, SeveralObjectsMayFollowEachOther) {
  EXPECT_THAT(decode_all(object(kService, "a") + "\n" + object(kService, "b")), SizeIs(2));
  EXPECT_THAT(decode_all(" \n"), SizeIs(0));
}

TEST(DecodeList, ATextThatEndsHalfwayYieldsNothingButTheError) {
  const auto text = object(kService, "a") + object(kService, "b");
  const auto outcomes = decode_all(std::string_view{text}.substr(0, text.size() - 3));
  ASSERT_THAT(outcomes, SizeIs(1));
  EXPECT_EQ(std::get<Rejected>(outcomes[0]).key, std::nullopt);
}

}  // namespace
}  // namespace proxy::records
