#include "proxy/sources/manifests/documents.hpp"

#include <gmock/gmock.h>

#include <string>

namespace proxy::sources::manifests {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> split(std::string_view file) {
  std::vector<std::string> found;
  for (const auto& document : split_documents(file)) {
    found.push_back(std::to_string(document.first_line) + ":" + std::string{document.text});
  }
  return found;
}

TEST(Documents, AreSeparatedByLinesOfThreeDashes) {
  EXPECT_THAT(split("a: 1\n---\nb: 2\n"), ElementsAre("1:a: 1\n", "3:b: 2\n"));
  EXPECT_THAT(split("---\na: 1\n--- # next\nb: 2\n---  \nc: 3"),
              ElementsAre("2:a: 1\n", "4:b: 2\n", "6:c: 3"));
  EXPECT_THAT(split("a: 1\r\n---\r\nb: 2\r\n"), ElementsAre("1:a: 1\r\n", "3:b: 2\r\n"));
}

TEST(Documents, OtherDashesSeparateNothing) {
  EXPECT_THAT(split("a: |\n  ---\n  x\n"), ElementsAre("1:a: |\n  ---\n  x\n"));
  EXPECT_THAT(split("--- {a: 1}\n--- {b: 2}\n"), ElementsAre("1:--- {a: 1}\n--- {b: 2}\n"));
  EXPECT_THAT(split("----\n"), ElementsAre("1:----\n"));
}

TEST(Documents, WithoutContentAreLeftOut) {
  EXPECT_THAT(split(""), IsEmpty());
  EXPECT_THAT(split("\n\n"), IsEmpty());
  EXPECT_THAT(split("# about this file\n\n---\n%YAML 1.1\n---\na: 1\n---\n"),
              ElementsAre("6:a: 1\n"));
  EXPECT_THAT(split("# why\na: 1\n"), ElementsAre("1:# why\na: 1\n"));
}

TEST(Documents, AByteOrderMarkIsNoContent) {
  EXPECT_THAT(split("\xef\xbb\xbf{}"), ElementsAre("1:{}"));
}

TEST(Documents, JsonIsToldFromFlowStyleYaml) {
  const auto is_json = [](std::string_view text) { return DocumentText{text, 1}.is_json(); };
  EXPECT_TRUE(is_json(" \n{ \"kind\": 1}"));
  EXPECT_TRUE(is_json("{}"));
  EXPECT_FALSE(is_json("{kind: Service}"));
  EXPECT_FALSE(is_json("kind: Service"));
  EXPECT_FALSE(is_json(""));
}

}  // namespace
}  // namespace proxy::sources::manifests
