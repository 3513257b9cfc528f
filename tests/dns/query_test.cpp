#include "dns/query.hpp"

#include <gmock/gmock.h>

#include <string>

namespace dns {
namespace {

using namespace std::string_literals;

const std::string kQuestion = "\3web\4shop\0\0\1\0\1"s;

std::string head(const std::string& counts, const std::string& flags = "\1\0"s) {
  return "\x12\x34" + flags + counts;
}
const std::string kPlain = "\0\1\0\0\0\0\0\0"s;
const std::string kOneMore = "\0\1\0\0\0\0\0\1"s;

QueryVerdict parse(const std::string& message, Query& query) {
  return parse_query({reinterpret_cast<const std::uint8_t*>(message.data()), message.size()},
                     query);
}
QueryVerdict verdict(const std::string& message) {
  Query query;
  return parse(message, query);
}

std::string opt(const std::string& options = "", const std::string& ttl = "\0\0\0\0"s) {
  const auto size = static_cast<char>(options.size());
  return "\0\0\x29\4\xd0"s + ttl + "\0"s + size + options;
}

TEST(Query, HeaderAndQuestionAreRead) {
  Query query;
  const auto message = head(kPlain) + kQuestion;
  ASSERT_EQ(parse(message, query), QueryVerdict::ok);
  EXPECT_EQ(query.id, 0x1234);
  EXPECT_EQ(query.name.text(), "web.shop.");
  EXPECT_EQ(query.type, Type::a);
  EXPECT_EQ(query.klass, kClassIn);
  EXPECT_EQ(query.question.size(), kQuestion.size());
  EXPECT_FALSE(query.edns);
}

TEST(Query, TheOptRecordIsRead) {
  Query query;
  const auto message = head(kOneMore) + kQuestion + opt("\0\12\0\10ABCDEFGH"s, "\0\0\x80\0"s);
  ASSERT_EQ(parse(message, query), QueryVerdict::ok);
  ASSERT_TRUE(query.edns);
  EXPECT_EQ(query.edns->udp_size, 1232);
  EXPECT_TRUE(query.edns->dnssec_ok);
  EXPECT_EQ(query.edns->cookie.size(), 8u);
}

TEST(Query, RepliesAndScrapsAreNotAnswered) {
  EXPECT_EQ(verdict(""), QueryVerdict::drop);
  EXPECT_EQ(verdict("\x12\x34\1\0\0\1\0\0\0\0\0"s), QueryVerdict::drop);
  EXPECT_EQ(verdict(head(kPlain, "\x81\0"s) + kQuestion), QueryVerdict::drop);
}

TEST(Query, WhatIsNotExactlyOneQuestionIsMalformed) {
  EXPECT_EQ(verdict(head("\0\0\0\0\0\0\0\0"s)), QueryVerdict::format_error);
  EXPECT_EQ(verdict(head("\0\2\0\0\0\0\0\0"s) + kQuestion + kQuestion), QueryVerdict::format_error);
  EXPECT_EQ(verdict(head("\xff\xff\0\0\0\0\0\0"s) + kQuestion), QueryVerdict::format_error);
  EXPECT_EQ(verdict(head(kPlain) + kQuestion + "x"), QueryVerdict::format_error);
  for (std::size_t cut = 0; cut < kQuestion.size(); ++cut) {
    EXPECT_EQ(verdict(head(kPlain) + kQuestion.substr(0, cut)), QueryVerdict::format_error);
  }
}

TEST(Query, RecordsBesidesTheQuestionAreMalformed) {
  EXPECT_EQ(verdict(head("\0\1\0\1\0\0\0\0"s) + kQuestion), QueryVerdict::format_error);
  EXPECT_EQ(verdict(head("\0\1\0\0\0\1\0\0"s) + kQuestion), QueryVerdict::format_error);
  EXPECT_EQ(verdict(head("\0\1\0\0\0\0\xff\xff"s) + kQuestion), QueryVerdict::format_error);
}

TEST(Query, MalformedOptRecordsAreMalformedQueries) {
  const auto with = [](const std::string& more) { return head(kOneMore) + kQuestion + more; };
  EXPECT_EQ(verdict(with("")), QueryVerdict::format_error);
  EXPECT_EQ(verdict(with(opt().substr(0, 10))), QueryVerdict::format_error);
  EXPECT_EQ(verdict(with(opt("\0\12\0\11ABCDEFGH"s))), QueryVerdict::format_error);
  EXPECT_EQ(verdict(with(opt("\0\12\0\7ABCDEFG"s))),
            QueryVerdict::format_error);                                // RFC 7873 §5.2.2
  EXPECT_EQ(verdict(with("\1x" + opt())), QueryVerdict::format_error);  // owner
  EXPECT_EQ(verdict(head("\0\1\0\0\0\0\0\2"s) + kQuestion + opt() + opt()),
            QueryVerdict::format_error);
  EXPECT_EQ(verdict(with(opt("\xfd\xe9\0\2xy"s))), QueryVerdict::ok);  // an unknown option
}

TEST(Query, OtherOpcodesAreOkWhateverFollowsTheHeader) {
  Query query;
  EXPECT_EQ(parse(head("\xff\xff\xff\xff\xff\xff\xff\xff"s, "\x28\0"s), query), QueryVerdict::ok);
  EXPECT_NE(query.opcode(), kOpcodeQuery);
  EXPECT_TRUE(query.question.empty());
}

}  // namespace
}  // namespace dns
