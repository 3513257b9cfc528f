#include "proxy/status/json.hpp"

#include <gtest/gtest.h>

namespace proxy::status {
namespace {

TEST(JsonWriter, SeparatesMembersAndElements) {
  JsonWriter json;
  json.begin_object();
  json.key("a").number(std::int64_t{1});
  json.key("b").begin_array();
  json.text("x");
  json.begin_object();
  json.end_object();
  json.null();
  json.end_array();
  json.key("c").boolean(false);
  json.key("d").number(0.5);
  json.end_object();
  EXPECT_EQ(json.take(), R"({"a":1,"b":["x",{},null],"c":false,"d":0.5})");
}

TEST(JsonWriter, EscapesWhatWouldEndATextOrDriveATerminal) {
  JsonWriter json;
  json.text("say \"hi\" \\ \n \x1b \xff ü");
  EXPECT_EQ(json.take(), R"("say \"hi\" \\ \\n \\x1b \\xff ü")");
}

}  // namespace
}  // namespace proxy::status
