#include "proxy/status/admin_protocol.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace proxy::status {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

AdminCommands commands() {
  return {{"echo", at_once([](const AdminRequest& request) { return request.json; })},
          {"status", at_once([](const AdminRequest&) { return std::string{"{}"}; })}};
}

std::string reply_to(std::string_view received) {
  std::string reply;
  answer_admin(commands(), received, [&](std::string text) { reply = std::move(text); });
  return reply;
}

TEST(AdminProtocol, AnswersACommandWithItsReply) {
  EXPECT_EQ(reply_to(R"({"command":"status"})"), "{}");
  EXPECT_EQ(reply_to(R"({"command":"echo","more":[1]})"), R"({"command":"echo","more":[1]})");
}

TEST(AdminProtocol, NamesTheCommandsThereAre) {
  EXPECT_EQ(reply_to(R"({"command":"dance"})"),
            R"({"error":"dance: unknown command, there are echo, status"})");
}

TEST(AdminProtocol, AMistakeIsAJsonErrorAndHostileTextIsEscaped) {
  for (const auto* request : {"", "{", "nonsense", "[]", "{}", R"({"command":5})", "null"}) {
    EXPECT_THAT(reply_to(request), StartsWith(R"({"error":")")) << request;
  }
  EXPECT_THAT(reply_to(R"({"command":"\u001b[2J\"x\u202e"})"),
              StartsWith(R"({"error":"\\x1b[2J\"x\\xe2\\x80\\xae: unknown)"));
}

TEST(AdminProtocol, ARequestEndsWithTheBraceThatClosesIt) {
  EXPECT_TRUE(is_complete_object(R"({"command":"status"})"));
  EXPECT_TRUE(is_complete_object(R"({"a":{"b":["}"]},"c":"\"}"} )"));
  EXPECT_FALSE(is_complete_object(R"({"a":{"b":1})"));
  EXPECT_FALSE(is_complete_object(R"({"a":"}\"})"));
  EXPECT_FALSE(is_complete_object(""));
}

TEST(AdminProtocol, WhoIsToEndMayBeToldWhoGoesOn) {
  EXPECT_EQ(successor_from(R"({"command":"end","successor":"iptables"})"), "iptables");
  EXPECT_EQ(successor_from(R"({"command":"end"})"), std::nullopt);
  EXPECT_EQ(successor_from(R"({"command":"end","successor":4})"), std::nullopt);
}

TEST(AdminProtocol, AnyBytesGetAReply) {
  std::mt19937 random{11};
  const std::string letters = "{}[]\"\\:,command0 \n\x80\xff";
  for (int round = 0; round < 5000; ++round) {
    std::string request = random() % 2 == 0 ? R"({"command":)" : "";
    for (auto n = random() % 20; n > 0; --n) request += letters[random() % letters.size()];
    EXPECT_FALSE(reply_to(request).empty());
  }
}

}  // namespace
}  // namespace proxy::status
