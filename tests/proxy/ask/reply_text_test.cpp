#include "proxy/ask/ask.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proxy::ask {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(ReplyText, OfAnExplanationSaysFateReasonsAndPlaces) {
  const auto text = reply_text(R"({"to":"10.96.0.10:53","protocol":"UDP","from":"10.244.0.9",
    "fate":"forwarded","service":"kube-system/dns:dns","by":"cluster IP",
    "because":["one reason","another"],
    "endpoints":[{"address":"10.244.0.3:53","sees":"client"},{"address":"10.244.1.3:53","sees":"node"}],
    "mode":"iptables","places":["iptables -t nat -vnL KUBE-SVC-X"]})")
                        .value();
  EXPECT_EQ(text,
            "packet            UDP to 10.96.0.10:53 from 10.244.0.9\n"
            "fate              forwarded\n"
            "service           kube-system/dns:dns (cluster IP)\n"
            "because           one reason\n"
            "                  another\n"
            "one of            10.244.0.3:53  sees the client's address\n"
            "                  10.244.1.3:53  sees the node's address\n"
            "in iptables mode  iptables -t nat -vnL KUBE-SVC-X\n");
}

TEST(ReplyText, OfTheStatusSaysHowTheDaemonIs) {
  const auto text = reply_text(R"({"version":"1","mode":"iptables","node":"n","uptimeSeconds":5.5,
    "healthy":true,"synced":false,"listening":{"healthz":"0.0.0.0:10256"},
    "counts":{"servicePorts":3,"endpoints":9,"outsideChanges":1},"lastSync":null,
    "failure":{"error":"no memory","inARow":2},"setAside":[{"servicePort":"a/b","protocol":"TCP",
    "family":"IPv4","reason":"refused"}],"problems":[{"where":"f.yaml","what":"bad"}],"remarks":[]})")
                        .value();
  EXPECT_THAT(text, AllOf(HasSubstr("mode iptables, node n, up 5.5 s"),
                          HasSubstr("3 service ports with 9 endpoints"),
                          HasSubstr("no memory, 2 times in a row"),
                          HasSubstr("a/b TCP IPv4: refused"), HasSubstr("f.yaml: bad"),
                          HasSubstr("healthz at 0.0.0.0:10256"), Not(HasSubstr("last sync"))));
}

TEST(ReplyText, OfTheStatusListsServicesWithALineForEachVip) {
  const auto text =
      reply_text(R"({"version":"1","counts":{},"services":{"matching":7,"offset":0,"rows":[
    {"name":"shop/web:http","protocol":"TCP","family":"IPv4","state":"up",
     "traffic":{"connections":1234567,"refused":2,"open":3,"bytesIn":999,"bytesOut":999999},
     "vips":[{"address":"10.96.0.7:80","role":"cluster IP"},{"address":"30080","role":"node port"}],
     "endpointCount":5,"endpoints":[{"address":"10.0.0.1:80","use":"all"},{"address":"10.0.0.2:80","use":"none"},
     {"address":"10.0.0.3:80","use":"all"},{"address":"10.0.0.4:80","use":"all"}]},
    {"name":"shop/db","protocol":"TCP","family":"IPv4","state":"down","traffic":{"connections":0},
     "vips":[{"address":"10.96.0.8:5432","role":"cluster IP"}],"endpointCount":0,"endpoints":[]}]}})")
          .value();
  EXPECT_THAT(
      text, HasSubstr("\n\n"
                      "SERVICE PORT   PROTOCOL  VIP                   STATE  CONNECTIONS          "
                      "IN     OUT     ENDPOINTS\n"
                      "shop/web:http  TCP       10.96.0.7:80          up     1234567 (2 refused)  "
                      "999 B  1.0 MB  10.0.0.1:80, 10.0.0.2:80 (not used), 10.0.0.3:80 and 2 more\n"
                      "                         IPv4 node port 30080                              "
                      "               \n"
                      "shop/db        TCP       10.96.0.8:5432        down   0                    "
                      "-      -       none\n"
                      "2 of 7 service ports; name a part of those to be shown, or use --limit\n"));
}

TEST(ReplyText, NeverBringsControlCharactersToTheTerminal) {
  const auto text = reply_text(R"({"fate":"rejected","because":["\u001b[2J\nforged"]})").value();
  EXPECT_THAT(text, AllOf(Not(HasSubstr("\x1b")), Not(HasSubstr("\nforged"))));
}

TEST(ReplyText, PassesTheDaemonsErrorOn) {
  const auto text = reply_text(R"({"error":"explain: no"})");
  ASSERT_FALSE(text);
  EXPECT_THAT(text.error().text(), HasSubstr("explain: no"));
  EXPECT_FALSE(reply_text("[]"));
  EXPECT_FALSE(reply_text("{"));
}

TEST(ExplainRequest, QuotesWhatItIsGiven) {
  EXPECT_EQ(explain_request("1.2.3.4:5", ""), R"({"command":"explain","packet":"1.2.3.4:5"})");
  EXPECT_EQ(env_request("shop"), R"({"command":"env","namespace":"shop"})");
  EXPECT_EQ(explain_request("a\"b", "c"), R"({"command":"explain","packet":"a\"b","from":"c"})");
}

TEST(ReplyText, OfAnEnvironmentIsATableOrLinesForAShell) {
  constexpr auto* kReply =
      R"({"namespace":"shop","variables":{"A_PORT":"tcp://[fd00::1]:5","A_SERVICE_HOST":"fd00::1"}})";
  EXPECT_EQ(reply_text(kReply, Form::dotenv).value(),
            "A_PORT=tcp://[fd00::1]:5\nA_SERVICE_HOST=fd00::1\n");
  EXPECT_EQ(reply_text(kReply, Form::table).value(),
            "A_PORT          tcp://[fd00::1]:5\nA_SERVICE_HOST  fd00::1\n");
  EXPECT_FALSE(reply_text(R"({"fate":"rejected"})", Form::dotenv)) << "has no such form";
}

TEST(Form, IsTableJsonOrDotenv) {
  EXPECT_EQ(parse_form("json").value(), Form::json);
  EXPECT_EQ(parse_form("table").value(), Form::table);
  EXPECT_EQ(parse_form("dotenv").value(), Form::dotenv);
  EXPECT_FALSE(parse_form("yaml"));
}

}  // namespace
}  // namespace proxy::ask
