#include "dns/forward/stored_answer.hpp"

#include "dns/message.hpp"

#include <gmock/gmock.h>

#include <string>

namespace dns::forward {
namespace {

using namespace std::string_literals;
using ::testing::ElementsAre;
using ::testing::SizeIs;

const std::string kQuestion = "\3www\7example\3org\0\0\1\0\1"s;
const LowerName kName = *parse_name("www.example.org");

std::string reply(const std::string& records, const std::string& counts,
                  const std::string& flags = "\x81\x80") {
  return "\0\1"s + flags + "\0\1"s + counts + kQuestion + records;
}
std::string record(const std::string& owner, char type, const std::string& ttl,
                   const std::string& data) {
  return owner + "\0"s + type + "\0\1"s + ttl + "\0"s + static_cast<char>(data.size()) + data;
}
const std::string kHere = "\xc0\x0c";
const std::string kMinute = "\0\0\0\x3c"s;

Result<UpstreamReply> parse(const std::string& text) {
  return parse_reply({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, kName,
                     Type::a);
}

// What a client gets that asked `question` and whose reply already leads to `kName` by a CNAME, or
// that asked for it directly.
Message replay(const StoredAnswer& answer, std::uint32_t age, bool aliased = false,
               std::size_t limit = 1232) {
  Exchange exchange;
  const auto query = make_query(7, aliased ? *parse_name("db.shop") : kName, Type::a, 0);
  EXPECT_EQ(parse_query(query, exchange.query), QueryVerdict::ok);
  std::vector<std::uint8_t> buffer(4096);
  exchange.response.begin(buffer, exchange.query, limit);
  exchange.ask = kName;
  exchange.aliased = aliased;
  exchange.owner = Response::kQuestion;
  if (aliased) {
    exchange.owner = static_cast<Response::Offset>(exchange.response.position() + 12);
    exchange.response.add(Response::Section::answer, Response::kQuestion, Type::cname, 5,
                          kName.wire());
  }
  append(answer, age, 0, exchange);
  const auto size = exchange.response.finish();
  const auto message = decode_message(Bytes{buffer}.first(size));
  EXPECT_TRUE(message) << message.error();
  return *message;
}

TEST(StoredAnswer, CountsItsTimeDownForEveryClient) {
  const auto parsed = parse(reply(record(kHere, 1, kMinute, "\1\2\3\4"), "\0\1\0\0\0\0"s));
  ASSERT_TRUE(parsed) << parsed.error();
  EXPECT_EQ(parsed->answer.ttl, 60u);
  EXPECT_FALSE(parsed->answer.negative);
  EXPECT_EQ(replay(parsed->answer, 0).answer.at(0).text(), "www.example.org. 60 IN A 1.2.3.4");
  EXPECT_EQ(replay(parsed->answer, 25).answer.at(0).ttl, 35u);
}

TEST(StoredAnswer, LosesItsOptRecord) {
  const std::string opt = "\0\0\x29\4\xd0\0\0\0\0\0\0"s;
  const auto parsed = parse(reply(record(kHere, 1, kMinute, "\1\2\3\4") + opt, "\0\1\0\0\0\1"s));
  ASSERT_TRUE(parsed);
  EXPECT_TRUE(parsed->has_edns);
  EXPECT_FALSE(replay(parsed->answer, 0).edns);
}

TEST(StoredAnswer, CompressedNamesAreRightBehindAnAliasToo) {
  // www CNAME web (compressed), web A
  const auto parsed = parse(
      reply(record(kHere, 5, kMinute, "\3web\xc0\x10") + record("\xc0\x2d", 1, kMinute, "\1\2\3\4"),
            "\0\2\0\0\0\0"s));
  ASSERT_TRUE(parsed) << parsed.error();
  const auto direct = replay(parsed->answer, 0);
  EXPECT_EQ(direct.answer.at(0).text(), "www.example.org. 60 IN CNAME web.example.org.");
  EXPECT_EQ(direct.answer.at(1).text(), "web.example.org. 60 IN A 1.2.3.4");
  const auto aliased = replay(parsed->answer, 0, true);
  ASSERT_THAT(aliased.answer, SizeIs(3));
  EXPECT_EQ(aliased.answer.at(1).text(), "www.example.org. 60 IN CNAME web.example.org.");
  EXPECT_EQ(aliased.answer.at(2).text(), "web.example.org. 60 IN A 1.2.3.4");
}

TEST(StoredAnswer, ADenialHoldsAsLongAsItsSoaSays) {
  const std::string soa = "\0\0"s + std::string(16, '\0') + "\0\0\0\x1e"s;  // minimum 30
  const auto parsed = parse(reply(record(kHere, 6, kMinute, soa), "\0\0\0\1\0\0"s, "\x81\x83"));
  ASSERT_TRUE(parsed);
  EXPECT_TRUE(parsed->answer.negative);
  EXPECT_EQ(parsed->answer.ttl, 30u);
  EXPECT_EQ(replay(parsed->answer, 10).authority.at(0).ttl, 20u);  // not of the minute: RFC 2308 §5
  const auto without = parse(reply("", "\0\0\0\0\0\0"s, "\x81\x83"));
  EXPECT_EQ(without->answer.ttl, 0u);
}

TEST(StoredAnswer, IsCutAtARecordWithTcWhereItDoesNotFit) {
  std::string records;
  for (int i = 0; i < 40; ++i) records += record(kHere, 1, kMinute, "\1\2\3\4");
  const auto parsed = parse(reply(records, "\0\x28\0\0\0\0"s));
  const auto cut = replay(parsed->answer, 0, false, 512);
  EXPECT_TRUE(cut.has(flag::kTruncated));
  EXPECT_LE(cut.size, 512u);
  EXPECT_FALSE(replay(parsed->answer, 0).has(flag::kTruncated));
}

TEST(StoredAnswer, OtherQuestionsAndMalformedRecordsAreNoReply) {
  const auto good = reply(record(kHere, 1, kMinute, "\1\2\3\4"), "\0\1\0\0\0\0"s);
  ASSERT_TRUE(parse(good));
  auto other = good;
  other[13] = 'x';
  EXPECT_FALSE(parse(other));
  auto query = good;
  query[2] = 1;
  EXPECT_FALSE(parse(query));
  for (std::size_t cut = 0; cut < good.size(); ++cut) EXPECT_FALSE(parse(good.substr(0, cut)));
  EXPECT_FALSE(parse(reply(record("\xc0\xff", 1, kMinute, "\1\2\3\4"), "\0\1\0\0\0\0"s)));
  EXPECT_FALSE(parse(reply(record(kHere, 5, kMinute, "\3web"), "\0\1\0\0\0\0"s)));
}

TEST(StoredAnswer, DataThatItsTypeDoesNotHaveIsNoReply) {
  const auto one = "\0\1\0\0\0\0"s;
  EXPECT_FALSE(parse(reply(record(kHere, 1, kMinute, "\1\2\3"), one)));
  EXPECT_FALSE(parse(reply(record(kHere, 28, kMinute, "\1\2\3\4"), one)));
  EXPECT_FALSE(parse(reply(record(kHere, 16, kMinute, "\3ab"), one)));
  EXPECT_TRUE(parse(reply(record(kHere, 16, kMinute, "\2ab\0"s), one)));
}

// In the reply they would lead to other bytes.
TEST(StoredAnswer, NamesThatLeadIntoTheHeaderOrATtlAreNoReply) {
  const std::string header = "\xc0\x0b";
  EXPECT_FALSE(parse(reply(record(header, 1, kMinute, "\1\2\3\4"), "\0\1\0\0\0\0"s)));
  const char ttl_at = static_cast<char>(12 + kQuestion.size() + kHere.size() + 4);
  const auto ttl = std::string{"\xc0"} + ttl_at;
  const auto first = record(kHere, 1, "\0\0\0\0"s, "\1\2\3\4");
  EXPECT_FALSE(parse(reply(first + record(ttl, 1, kMinute, "\1\2\3\4"), "\0\2\0\0\0\0"s)));
  EXPECT_TRUE(parse(reply(first + record(kHere, 1, kMinute, "\1\2\3\4"), "\0\2\0\0\0\0"s)));
}

TEST(StoredAnswer, RecordsOfOneSetHaveTheSmallestTtlOfThem) {  // RFC 2181 §5.2
  const auto parsed = parse(
      reply(record(kHere, 1, kMinute, "\1\2\3\4") + record(kHere, 1, "\0\0\0\x1e"s, "\1\2\3\5"),
            "\0\2\0\0\0\0"s));
  ASSERT_TRUE(parsed);
  const auto message = replay(parsed->answer, 10);
  ASSERT_THAT(message.answer, SizeIs(2));
  EXPECT_EQ(message.answer[0].ttl, 20u);
  EXPECT_EQ(message.answer[1].ttl, 20u);
}

TEST(StoredAnswer, WhereTheAliasWasTakenBackNamesAreWrittenInFull) {
  const auto soa = "\3www\7example\3org\0\3www\7example\3org\0"s + std::string(20, '\1');
  const auto parsed = parse(reply(record(kHere, 6, kMinute, soa), "\0\0\0\1\0\0"s));
  ASSERT_TRUE(parsed) << parsed.error();
  Exchange exchange;
  const auto query = make_query(7, *parse_name("www.example.org.shop"), Type::a, 0);
  ASSERT_EQ(parse_query(query, exchange.query), QueryVerdict::ok);
  std::vector<std::uint8_t> buffer(512);
  exchange.response.begin(buffer, exchange.query, buffer.size());
  exchange.ask = kName;
  exchange.aliased = true;
  exchange.owner = Response::kNowhere;
  append(parsed->answer, 0, 0, exchange);
  const auto message = decode_message(Bytes{buffer}.first(exchange.response.finish()));
  ASSERT_TRUE(message) << message.error();
  EXPECT_EQ(message->authority.at(0).owner, "www.example.org.");
}

TEST(StoredAnswer, ATtlWithTheTopBitIsZero) {
  const auto parsed = parse(reply(record(kHere, 1, "\x80\0\0\1"s, "\1\2\3\4"), "\0\1\0\0\0\0"s));
  EXPECT_EQ(parsed->answer.ttl, 0u);
}

}  // namespace
}  // namespace dns::forward
