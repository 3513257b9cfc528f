#include "dns/name.hpp"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace dns {
namespace {

using namespace std::string_view_literals;

Bytes bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

TEST(Name, AQuestionsNameIsLowerCasedAndIndexedByLabel) {
  const auto wire = "\3WwW\7ExAmPlE\3oRg\0rest"sv;
  Reader reader{bytes(wire)};
  LowerName name;
  ASSERT_TRUE(name.read_question(reader));
  EXPECT_EQ(name.text(), "www.example.org.");
  EXPECT_EQ(name.label_count(), 3u);
  EXPECT_EQ(reader.position(), wire.size() - 4);
}

TEST(Name, OnlyAsciiLettersHaveCase) {
  std::string all{"\0", 1};
  for (int part = 0; part < 8; ++part) {
    all = std::string(1, '\40');  // 32 bytes
    for (int i = 0; i < 32; ++i) all += static_cast<char>(part * 32 + i);
    all += '\0';
    Reader reader{bytes(all)};
    LowerName name;
    ASSERT_TRUE(name.read_question(reader));
    for (int i = 0; i < 32; ++i) {
      const int byte = part * 32 + i;
      const int expected = byte >= 'A' && byte <= 'Z' ? byte + 32 : byte;
      EXPECT_EQ(name.wire()[static_cast<std::size_t>(i) + 1], expected);
    }
  }
}

TEST(Name, AQuestionsNameMayNotBeCompressedTooLongOrCutOff) {
  const std::string label63 = "\77" + std::string(63, 'a');
  const std::string size255 = label63 + label63 + label63 + "\75" + std::string(61, 'a') + '\0';
  const std::string size256 = label63 + label63 + label63 + "\76" + std::string(62, 'a') + '\0';
  LowerName name;
  Reader fits{bytes(size255)};
  EXPECT_TRUE(name.read_question(fits));
  EXPECT_EQ(name.size(), 255u);
  for (const std::string_view bad : {""sv, "\3ww"sv, "\3www"sv, "\300\14"sv, "\100abc\0"sv,
                                     "\200abc\0"sv, std::string_view{size256}}) {
    Reader reader{bytes(bad)};
    EXPECT_FALSE(name.read_question(reader)) << ::testing::PrintToString(bad);
    EXPECT_TRUE(reader.failed());
  }
}

TEST(Name, CompressionPointersAreFollowedBackwardsOnly) {
  const auto message = "\3org\0\7example\300\0\3www\300\5\300\25"sv;
  LowerName name;
  Reader reader{bytes(message), 15};
  ASSERT_TRUE(name.read_compressed(reader));
  EXPECT_EQ(name.text(), "www.example.org.");
  EXPECT_EQ(reader.position(), 21u);
  Reader to_itself{bytes(message), 21};  // points to 21
  EXPECT_FALSE(name.read_compressed(to_itself));
  EXPECT_TRUE(to_itself.failed());
}

TEST(Name, AChainOfPointersToPointersEnds) {
  std::string message{"\0\0", 2};
  for (int i = 0; i < 1000; ++i) {
    const int target = static_cast<int>(message.size()) - 2;
    message += static_cast<char>(0xc0 | target >> 8);
    message += static_cast<char>(target);
  }
  LowerName name;
  Reader reader{bytes(message), message.size() - 2};
  EXPECT_FALSE(name.read_compressed(reader));
}

TEST(Name, TextAndWireFormAreInverse) {
  for (const char* text :
       {".", "a.", "web.shop.svc.cluster.local.", "a\\.b.c.", "\\000\\255.x.", "\\\"\\@.y."}) {
    const auto name = parse_name(text);
    ASSERT_TRUE(name) << text;
    EXPECT_EQ(name->text(), text);
  }
  EXPECT_EQ(parse_name("No.Final.Dot")->text(), "no.final.dot.");
}

TEST(Name, TextThatIsNoNameIsRefused) {
  for (const std::string& text : std::vector<std::string>{
           "", "..", "a..b", ".a", std::string(64, 'x') + ".y", "a\\", "a\\25", "a\\256.b"}) {
    EXPECT_FALSE(parse_name(text)) << text;
  }
  std::string too_long;
  for (int i = 0; i < 128; ++i) too_long += "a.";
  EXPECT_FALSE(parse_name(too_long));
}

TEST(Name, BelowMeansWholeLabels) {
  const auto zone = *parse_name("cluster.local");
  EXPECT_TRUE(parse_name("cluster.local")->is_below_or_at(zone));
  EXPECT_TRUE(parse_name("svc.CLUSTER.local")->is_below_or_at(zone));
  EXPECT_FALSE(parse_name("mycluster.local")->is_below_or_at(zone));
  EXPECT_FALSE(parse_name("local")->is_below_or_at(zone));
  EXPECT_TRUE(parse_name("local")->is_below_or_at(*parse_name(".")));
}

TEST(Name, JoiningStopsAt255Bytes) {
  const std::string label63 = "\77" + std::string(63, 'a');
  const std::string prefix = label63 + label63 + label63;
  LowerName joined;
  EXPECT_TRUE(joined.join(bytes(prefix), *parse_name("cluster.local")));
  EXPECT_FALSE(joined.join(bytes(prefix), *parse_name(std::string(63, 'b'))));
}

}  // namespace
}  // namespace dns
