#include "tests/proxy/records/decoding.hpp"

#include <gmock/gmock.h>

namespace proxy::records {
namespace {

using testing::HasSubstr;

std::string repeat(std::string_view text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

Outcome decode(std::string_view json) {
  return Decoder{}.decode_object(json);
}

TEST(HostileInput, NestingHasALimit) {
  const auto deep = R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"x":)" +
                    repeat("[", 200) + repeat("]", 200) + "}";
  EXPECT_THAT(error_of(decode(deep)), HasSubstr("not JSON"));
  for (const auto& outcome : decode_all(repeat("[", 1'000'000))) {
    EXPECT_NE(error_of(outcome), "");
  }
  for (const auto& outcome : decode_all(repeat(R"({"items":[)", 100'000))) {
    EXPECT_NE(error_of(outcome), "");
  }
}

TEST(HostileInput, MalformedUtf8IsRefused) {
  EXPECT_THAT(
      error_of(
          decode("{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"a\xff\"}}")),
      HasSubstr("UTF-8"));
}

TEST(HostileInput, AKeyThatComesTwiceIsRefusedSinceDecodersDifferInWhichCounts) {
  EXPECT_EQ(error_of(decode(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},
                                "spec":{"clusterIP":"10.0.0.1","clusterIP":"10.0.0.2"}})")),
            "Service default/a: spec.clusterIP: comes twice");
  EXPECT_THAT(error_of(decode(R"({"apiVersion":"v1","kind":"Service","kind":"Pod",
                                  "metadata":{"name":"a"}})")),
              HasSubstr("kind: comes twice"));
  EXPECT_THAT(error_of(decode(R"({"apiVersion":"v1","kind":"Service",
                                  "metadata":{"name":null,"name":"b"}})")),
              HasSubstr("metadata.name: comes twice"));
  EXPECT_THAT(error_of(decode(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},
                                  "spec":{"selector":{"a":"b","a":"c"}}})")),
              HasSubstr("spec.selector.a: comes twice"));
}

TEST(HostileInput, TextWithANulByteIsNotCutThere) {
  EXPECT_THAT(
      error_of(decode(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a\u0000b"}})")),
      HasSubstr("a\\x00b"));
  EXPECT_THAT(error_of(decode(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},
                                  "spec":{"clusterIP":"10.0.0.1\u0000"}})")),
              HasSubstr("is not an IP address"));
}

TEST(HostileInput, NumbersBeyondAnyTypeAreRefused) {
  EXPECT_NE(error_of(decode(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},
                                "spec":{"ports":[{"port":99999999999999999999999}]}})")),
            "");
  EXPECT_NE(error_of(decode(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},
                                "spec":{"ports":[{"port":1e999}]}})")),
            "");
}

TEST(HostileInput, LongNonsenseIsCutInMessages) {
  const auto error = error_of(decode(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")" +
                                     repeat("A", 100'000) + R"("}})"));
  EXPECT_LT(error.size(), 300U);
}

TEST(HostileInput, EveryPrefixOfAManifestIsAnErrorOrNothing) {
  const std::string whole =
      R"({"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Service",)"
      R"("metadata":{"name":"a\"b"},"spec":{"ports":[{"port":80}]}}]})";
  for (std::size_t size = 0; size < whole.size(); ++size) {
    for (const auto& outcome : decode_all(std::string_view{whole}.substr(0, size))) {
      EXPECT_NE(error_of(outcome), "") << size;
    }
  }
}

}  // namespace
}  // namespace proxy::records
