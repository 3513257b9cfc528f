#include "proxy/config/values.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proxy::config {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Durations, AreReadAsGoWritesThem) {
  EXPECT_EQ(parse_duration("1h0m0s").value(), 1h);
  EXPECT_EQ(parse_duration("30s").value(), 30s);
  EXPECT_EQ(parse_duration("500ms").value(), 500ms);
  EXPECT_EQ(parse_duration("0").value(), 0s);
  EXPECT_EQ(parse_duration("1.5h").value(), 90min);
  EXPECT_EQ(parse_duration(".5s").value(), 500ms);
  EXPECT_EQ(parse_duration("0.1s").value(), 100ms);
  EXPECT_EQ(parse_duration("1.s").value(), 1s);
  EXPECT_EQ(parse_duration("3µs2ns").value(), 3002ns);
  EXPECT_EQ(parse_duration("-2m").value(), -2min);
  EXPECT_EQ(parse_duration("0.3333333333333333333h").value(), 1'199'999'999'999ns);
}

TEST(Durations, WithoutUnitOrWithAnUnknownOneAreRefused) {
  for (const auto* text : {"", "30", "1d", "s", ".s", "-", "1h30", "1 s", "s1", "9999999999h",
                           "9223372036854775807h", "1e3s"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(Durations, WrittenAndReadAgainAreTheSame) {
  EXPECT_EQ(duration_text(24h), "24h0m0s");
  EXPECT_EQ(duration_text(0s), "0s");
  EXPECT_EQ(duration_text(1500ms), "1.5s");
  EXPECT_EQ(duration_text(60000000010ns), "1m0.00000001s");
  EXPECT_EQ(duration_text(-90s), "-1m30s");
  for (const std::chrono::nanoseconds d : {1ns, 999ns, 1500ns, 500000ns, 1000000000ns,
                                           61000000000ns, 60000000001ns, 3600123456789ns}) {
    EXPECT_EQ(parse_duration(duration_text(d)).value(), d) << duration_text(d);
  }
}

TEST(Bools, AreReadAsGoWritesThem) {
  for (const auto* yes : {"1", "t", "T", "true", "TRUE", "True"}) EXPECT_TRUE(*parse_bool(yes));
  for (const auto* no : {"0", "f", "F", "false", "FALSE", "False"}) EXPECT_FALSE(*parse_bool(no));
  for (const auto* neither : {"", "yes", "no", "tRUE", "2"}) EXPECT_FALSE(parse_bool(neither));
}

TEST(Integers, HaveThirtyTwoBits) {
  EXPECT_EQ(parse_int("2147483647").value(), 2147483647);
  EXPECT_EQ(parse_int("-2147483648").value(), -2147483647 - 1);
  EXPECT_EQ(parse_int("0x10").value(), 16);
  for (const auto* text : {"", "-", "2147483648", "-2147483649", "1.0", "1x", " 1", "--1", "0x"}) {
    EXPECT_FALSE(parse_int(text)) << text;
  }
}

TEST(SocketAddresses, OfBothFamiliesAreRead) {
  EXPECT_EQ(parse_socket_address("0.0.0.0:10256", Port{1}).value().text(), "0.0.0.0:10256");
  EXPECT_EQ(parse_socket_address("[::1]:80", Port{1}).value().text(), "[::1]:80");
  EXPECT_EQ(parse_socket_address("10.0.0.1", Port{9}).value().text(), "10.0.0.1:9");
  EXPECT_EQ(parse_socket_address("fd00::5", Port{9}).value().text(), "[fd00::5]:9");
  EXPECT_EQ(parse_socket_address("127.0.0.1:0", Port{9}).value().port, Port{0});
}

TEST(SocketAddresses, ThatAreAmbiguousOrNoneAreRefused) {
  for (const auto* text : {"", ":10256", "localhost:80", "10.0.0.1:65536", "10.0.0.1:", "[::1]",
                           "10.0.0.1:+1", "[10.0.0.1", "fd00::5:10256x"}) {
    EXPECT_FALSE(parse_socket_address(text, Port{1})) << text;
  }
}

TEST(Lists, AreSplitAtCommasWithoutBlanks) {
  EXPECT_THAT(split_list("a, b ,c"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(split_list("a,,c"), ElementsAre("a", "", "c"));
  EXPECT_THAT(split_list(" "), IsEmpty());
}

TEST(Prefixes, NameTheOneThatIsWrong) {
  EXPECT_EQ(parse_prefixes("10.0.0.0/8,fd00::/64").value().size(), 2U);
  EXPECT_THAT(parse_prefixes("10.0.0.0/8,10.0.0.1").error().text(), HasSubstr("\"10.0.0.1\""));
}

}  // namespace
}  // namespace proxy::config
