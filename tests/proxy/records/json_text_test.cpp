#include "proxy/records/json_text.hpp"

#include <gmock/gmock.h>

namespace proxy::records::json {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(JsonText, CutsATextIntoItsValues) {
  EXPECT_THAT(*values(R"( {"a":[1,{"b":"}"}]} 7
["]\"", true] "x")"),
              ElementsAre(R"({"a":[1,{"b":"}"}]})", "7", R"(["]\"", true])", R"("x")"));
  EXPECT_THAT(*values(" \r\n\t"), IsEmpty());
}

TEST(JsonText, RefusesATextThatEndsWithinAValue) {
  for (const auto* text : {"{", "[1", "\"", "\"a\\", "{\"a\":\"}", "{} [", "[\"\\\"]"}) {
    EXPECT_FALSE(values(text)) << text;
  }
}

TEST(JsonText, RefusesStraySigns) {
  for (const auto* text : {"}", "]", ",", "1,2", "{}}", ":"}) EXPECT_FALSE(values(text)) << text;
}

TEST(JsonText, CutsAnArrayIntoItsElements) {
  EXPECT_THAT(*elements(R"([ 1, "a,b" ,[2,3],{"c":4} ])"),
              ElementsAre("1", R"("a,b")", "[2,3]", R"({"c":4})"));
  EXPECT_THAT(*elements("[]"), IsEmpty());
  EXPECT_THAT(*elements("[ ]"), IsEmpty());
  for (const auto* text : {"", "{}", "[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1]]", "[1] 2"}) {
    EXPECT_FALSE(elements(text)) << text;
  }
}

TEST(JsonText, CutsAnObjectIntoItsMembers) {
  const auto found = members(R"({"a":1, "b\"" : {"c":[2]} ,"":null})");
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 3U);
  EXPECT_EQ((*found)[0].key, "a");
  EXPECT_EQ((*found)[0].value, "1");
  EXPECT_EQ((*found)[1].key, R"(b\")");
  EXPECT_EQ((*found)[1].value, R"({"c":[2]})");
  EXPECT_EQ((*found)[2].key, "");
  for (const auto* text : {"", "[]", "{", "{a:1}", R"({"a"})", R"({"a":})", R"({"a":1,})",
                           R"({"a":1 "b":2})", R"({"a":1}})"}) {
    EXPECT_FALSE(members(text)) << text;
  }
}

}  // namespace
}  // namespace proxy::records::json
