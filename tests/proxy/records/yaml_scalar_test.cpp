#include "proxy/records/yaml_scalar.hpp"

#include <gtest/gtest.h>

namespace proxy::records {
namespace {

std::string json(std::string_view scalar) {
  const auto value = json_of_plain_scalar(scalar);
  return value ? *value : value.error().text();
}

TEST(YamlScalar, WordsForNothingTrueAndFalseAreThoseOfYaml11) {
  for (const auto* none : {"", "~", "null", "Null", "NULL"}) EXPECT_EQ(json(none), "null");
  for (const auto* yes : {"y", "Yes", "true", "TRUE", "on"}) EXPECT_EQ(json(yes), "true");
  for (const auto* no : {"n", "No", "false", "False", "OFF"}) EXPECT_EQ(json(no), "false");
  EXPECT_EQ(json("tRue"), "\"tRue\"");
}

TEST(YamlScalar, IntegersHaveManySpellings) {
  EXPECT_EQ(json("80"), "80");
  EXPECT_EQ(json("-1"), "-1");
  EXPECT_EQ(json("+12"), "12");
  EXPECT_EQ(json("0"), "0");
  EXPECT_EQ(json("017"), "15");
  EXPECT_EQ(json("0o17"), "15");
  EXPECT_EQ(json("0x1F"), "31");
  EXPECT_EQ(json("0b101"), "5");
  EXPECT_EQ(json("8_080"), "8080");
  EXPECT_EQ(json("18446744073709551615"), "18446744073709551615");
  EXPECT_EQ(json("99999999999999999999999"), "99999999999999999999999");
}

TEST(YamlScalar, FloatsArePrintedAsJsonIntegersWhereTheyAreOne) {
  EXPECT_EQ(json("80.0"), "80");
  EXPECT_EQ(json("1e3"), "1000");
  EXPECT_EQ(json("08"), "8");  // not octal, so it falls through to the floats
  EXPECT_EQ(json("1.5"), "1.5");
  EXPECT_EQ(json(".5"), "0.5");
  EXPECT_EQ(json("+.5e1"), "5");
  EXPECT_EQ(json("1.25e-9"), "1.25e-09");
  EXPECT_EQ(json("5."), "5");
}

TEST(YamlScalar, WhatOnlyLooksLikeANumberIsAString) {
  for (const std::string text : {"10.0.0.1",   "10.96.0.0/16",
                                 "fd00::1",    "1:20",
                                 "2026-01-31", "2026-01-31T12:00:00Z",
                                 "0x",         "0xg",
                                 "-",          "+",
                                 ".",          "-_",
                                 "1e",         "1.2.3",
                                 "--5",        "- 5",
                                 "0b2",        "1-2",
                                 ".5_0",       "_1"}) {
    EXPECT_EQ(json(text), '"' + text + '"');
  }
}

TEST(YamlScalar, WhatJsonLacksIsRefused) {
  for (const auto* text : {".nan", ".inf", "-.Inf"}) {
    EXPECT_FALSE(json_of_plain_scalar(text)) << text;
  }
}

TEST(YamlScalar, StringsAreEscaped) {
  std::string json;
  append_json_string(json, std::string_view{"a\"b\\c\n\0\xc3\xa4", 9});
  EXPECT_EQ(json, "\"a\\\"b\\\\c\\u000a\\u0000\xc3\xa4\"");
}

}  // namespace
}  // namespace proxy::records
