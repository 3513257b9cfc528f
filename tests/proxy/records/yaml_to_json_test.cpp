#include "proxy/records/yaml_to_json.hpp"

#include <gmock/gmock.h>

namespace proxy::records {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string json(std::string_view yaml) {
  const auto documents = yaml_to_json(yaml);
  if (!documents) return documents.error().text();
  return documents->size() == 1 ? documents->front() : "not one document";
}

TEST(YamlToJson, BlocksAndFlowsAreTheSame) {
  EXPECT_EQ(json("a: 1\nb:\n- x\n- {c: true}\nd: {}\ne: []\nf:\n"),
            R"({"a":1,"b":["x",{"c":true}],"d":{},"e":[],"f":null})");
}

TEST(YamlToJson, QuotedScalarsStayStrings) {
  EXPECT_EQ(json("{a: '80', b: \"true\", c: 80, d: !!str 80, e: '~', f: !!int '7', g: ''}"),
            R"({"a":"80","b":"true","c":80,"d":"80","e":"~","f":7,"g":""})");
}

TEST(YamlToJson, BlockScalarsKeepTheirLines) {
  EXPECT_EQ(json("a: |\n  one\n  two\nb: >-\n  one\n  two\n"),
            R"({"a":"one\u000atwo\u000a","b":"one two"})");
}

TEST(YamlToJson, KeysBecomeStrings) {
  EXPECT_EQ(json("{80: a, yes: b, 1.5: c, 'q': d}"), R"({"80":"a","true":"b","1.5":"c","q":"d"})");
  EXPECT_THAT(json("? [a]\n: b"), HasSubstr("line 1: a key is not a scalar"));
  EXPECT_THAT(json("~: b"), HasSubstr("a key is not a string"));
}

TEST(YamlToJson, AliasesStandForWhatTheyName) {
  EXPECT_EQ(json("{a: &x {b: [1, &y two]}, c: *x, d: *y, e: [*y, *y]}"),
            R"({"a":{"b":[1,"two"]},"c":{"b":[1,"two"]},"d":"two","e":["two","two"]})");
  EXPECT_EQ(json("{&k key: 1, other: *k}"), R"({"key":1,"other":"key"})");
  EXPECT_THAT(json("a: &x [*x]"), HasSubstr("line 1: an alias stands within what it stands for"));
  EXPECT_THAT(json("a: *nowhere"), HasSubstr("line 1"));
}

TEST(YamlToJson, MergeKeysAddWhatTheMappingLacks) {
  EXPECT_EQ(json("base: &b {p: 1, q: 2}\nc:\n  <<: *b\n  q: 3\n"),
            R"({"base":{"p":1,"q":2},"c":{"q":3,"p":1}})");
  EXPECT_EQ(json("{a: &a {p: 1}, b: &b {p: 2, q: 2}, c: {<<: [*a, *b], r: 3}}"),
            R"({"a":{"p":1},"b":{"p":2,"q":2},"c":{"r":3,"p":1,"q":2}})");
  EXPECT_EQ(json("{'<<': 1}"), R"({"<<":1})");
  EXPECT_THAT(json("{<<: 1}"), HasSubstr("<< needs a mapping"));
}

TEST(YamlToJson, AFewLinesOfAliasesCannotFillTheMemory) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const auto before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int k = 0; k < 9; ++k) bomb += ", " + before;
    bomb += "]\n";
  }
  EXPECT_THAT(json(bomb), HasSubstr("aliases expand to too much"));
}

TEST(YamlToJson, AKeyThatComesTwiceIsRefused) {
  EXPECT_EQ(json("a: 1\nb: 2\na: 3\n"), "line 3: the key \"a\" comes twice");
  EXPECT_EQ(json("{1: a, '1': b}"), "line 1: the key \"1\" comes twice");
}

TEST(YamlToJson, SeveralDocumentsAreSeveralTexts) {
  EXPECT_THAT(*yaml_to_json("a: 1\n---\n# nothing\n---\nb: 2\n...\n--- {c: 3}\n"),
              ElementsAre(R"({"a":1})", R"({"b":2})", R"({"c":3})"));
  EXPECT_THAT(*yaml_to_json(""), IsEmpty());
  EXPECT_THAT(*yaml_to_json("# only a comment\n"), IsEmpty());
}

TEST(YamlToJson, ErrorsSayTheLineInTheFile) {
  EXPECT_THAT(yaml_to_json("a: 1\nb: [1, 2\nc: 3\n", 41).error().text(), HasSubstr("line 43: "));
  EXPECT_THAT(yaml_to_json("a: 1\nb: \x01\n", 41).error().text(), HasSubstr("line 42: "));
  EXPECT_THAT(yaml_to_json("a: 1\n\tb: 2\n").error().text(), HasSubstr("line 2: "));
}

TEST(YamlToJson, ASignThatCannotBeginADocumentIsAnErrorNotAnEndlessStreamOfEmptyOnes) {
  EXPECT_EQ(json(",a: 1"), "line 1: a sign that can't begin a document");
  EXPECT_FALSE(yaml_to_json("a: 1\n---\n]\n"));
}

TEST(YamlToJson, DeepNestingIsRefusedNotFollowed) {
  EXPECT_FALSE(yaml_to_json(std::string(100'000, '[')));
  EXPECT_FALSE(yaml_to_json(std::string(100'000, '{')));
  std::string block;
  for (int i = 0; i < 3000; ++i) block += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  EXPECT_FALSE(yaml_to_json(block));
}

}  // namespace
}  // namespace proxy::records
