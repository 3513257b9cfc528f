#include "proxy/config/command_line.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace proxy::config {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

Result<CommandLine> parse(std::vector<std::string> words) {
  return parse_command_line(words);
}

std::string complaint(std::vector<std::string> words) {
  const auto parsed = parse(std::move(words));
  return parsed ? "no complaint" : parsed.error().text();
}

TEST(CommandLine, WithoutASubcommandRuns) {
  EXPECT_EQ(parse({}).value().command, Command::run);
  EXPECT_EQ(parse({"--v=2"}).value().command, Command::run);
  EXPECT_EQ(parse({"run"}).value().command, Command::run);
  EXPECT_EQ(parse({"check", "--manifests", "d"}).value().command, Command::check);
}

TEST(CommandLine, TakesValuesJoinedOrAsTheNextWord) {
  EXPECT_EQ(parse({"--proxy-mode=none"}).value().flags.text("proxy-mode"), "none");
  EXPECT_EQ(parse({"--proxy-mode", "none"}).value().flags.text("proxy-mode"), "none");
  EXPECT_EQ(parse({"--oom-score-adj", "-500"}).value().flags.integer("oom-score-adj"), -500);
  EXPECT_EQ(parse({"--manifests", "-"}).value().flags.text("manifests"), "-");
}

TEST(CommandLine, AnEmptyValueIsAValueAndDoesNotSwallowTheNextFlag) {
  const auto line = parse({"--cluster-cidr=", "--masquerade-all"}).value();
  EXPECT_TRUE(line.flags.given("cluster-cidr"));
  EXPECT_EQ(line.flags.text("cluster-cidr"), "");
  EXPECT_TRUE(line.flags.boolean("masquerade-all"));
}

TEST(CommandLine, ABooleanStandsAloneOrWithEqualsSign) {
  EXPECT_TRUE(parse({"--masquerade-all"}).value().flags.boolean("masquerade-all"));
  EXPECT_TRUE(parse({"--masquerade-all=t"}).value().flags.boolean("masquerade-all"));
  EXPECT_FALSE(parse({"--masquerade-all=false"}).value().flags.boolean("masquerade-all"));
  EXPECT_EQ(complaint({"--masquerade-all", "false"}), "false: takes no such argument");
  EXPECT_EQ(complaint({"--masquerade-all="}), "--masquerade-all: \"\" is neither true nor false");
}

TEST(CommandLine, VerbosityHasTheFormsOfKlog) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"-v5"}, {"-v=5"}, {"-v", "5"}, {"--v=5"}, {"--v", "5"}}) {
    EXPECT_EQ(parse(words).value().flags.integer("v"), 5) << words.front();
  }
}

TEST(CommandLine, UnderscoresInNamesCountAsDashes) {
  EXPECT_EQ(parse({"--proxy_mode=none"}).value().flags.text("proxy-mode"), "none");
}

TEST(CommandLine, TheLastOfARepeatedFlagWinsButListsGrow) {
  const auto line = parse({"--proxy-mode=ipvs", "--proxy-mode=none", "--nodeport-addresses=a",
                           "--nodeport-addresses=b,c"})
                        .value();
  EXPECT_EQ(line.flags.text("proxy-mode"), "none");
  EXPECT_EQ(line.flags.list("nodeport-addresses"), (std::vector<std::string>{"a", "b", "c"}));
}

TEST(CommandLine, NonsenseIsOneLineThatNamesTheWord) {
  EXPECT_EQ(complaint({"--proxymode=x"}), "--proxymode: unknown flag, did you mean --proxy-mode?");
  EXPECT_EQ(complaint({"--zzzzzzzzzzzzz"}), "--zzzzzzzzzzzzz: unknown flag");
  EXPECT_EQ(complaint({"-x"}), "-x: unknown flag");
  EXPECT_EQ(complaint({"--iptables-sync-period"}), "--iptables-sync-period: needs a value");
  EXPECT_THAT(complaint({"--iptables-sync-period=30"}),
              StartsWith("--iptables-sync-period: \"30\""));
  EXPECT_THAT(complaint({"--v=high"}), StartsWith("--v: "));
  EXPECT_THAT(complaint({"--healthz-bind-address=:1"}), StartsWith("--healthz-bind-address: "));
  EXPECT_THAT(complaint({"--feature-gates=A"}), StartsWith("--feature-gates: "));
  EXPECT_THAT(complaint({"start"}), StartsWith("start: unknown command"));
  EXPECT_EQ(complaint({"run", "now"}), "now: takes no such argument");
  EXPECT_EQ(complaint({"--", "now"}), "now: takes no such argument");
  EXPECT_EQ(complaint({"check", "--proxy-mode=none"}), "--proxy-mode: not a flag of this command");
}

TEST(CommandLine, KubeProxysOneShotFlagsChooseTheCommand) {
  EXPECT_EQ(parse({"--cleanup"}).value().command, Command::cleanup);
  EXPECT_EQ(parse({"--cleanup=false"}).value().command, Command::run);
  EXPECT_EQ(parse({"--version"}).value().command, Command::version);
  EXPECT_EQ(parse({"--version=raw"}).value().command, Command::version);
  EXPECT_EQ(parse({"check", "-h"}).value().command, Command::help);
}

TEST(CommandLine, AnyWordsAtAllGiveACommandOrOneLine) {
  std::mt19937 random{7};
  const std::string letters = "-=v_a,/0h \n\x80";
  for (int round = 0; round < 5000; ++round) {
    std::vector<std::string> words(random() % 4);
    for (auto& word : words) {
      word = random() % 2 == 0 ? "--" : "-";
      for (auto n = random() % 6; n > 0; --n) word += letters[random() % letters.size()];
    }
    const auto parsed = parse(words);
    EXPECT_TRUE(parsed || !parsed.error().text().empty());
  }
}

TEST(Help, ShowsEveryFlagWithItsDefaultAndWhyItDoesNothing) {
  const auto text = help_text();
  EXPECT_THAT(text, HasSubstr("--iptables-sync-period=30s"));
  EXPECT_THAT(text, HasSubstr("--manifests PATH"));
  EXPECT_THAT(text, HasSubstr("--profiling=false"));
  EXPECT_THAT(text, HasSubstr("no effect: there is no Go run-time"));
  for (const auto& flag : flags()) EXPECT_THAT(text, HasSubstr("\n  --" + std::string{flag.name}));
}

}  // namespace
}  // namespace proxy::config
