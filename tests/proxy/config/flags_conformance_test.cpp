// The flag table against the list of kube-proxy's flags, types and defaults.
#include "proxy/config/flag_values.hpp"
#include "proxy/config/flags.hpp"

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>

namespace proxy::config {
namespace {

std::string type_name(FlagType type) {
  switch (type) {
    case FlagType::boolean:
      return "bool";
    case FlagType::integer:
      return "int";
    case FlagType::decimal:
      return "float";
    case FlagType::duration:
      return "duration";
    case FlagType::text:
      return "string";
    case FlagType::path:
      return "path";
    case FlagType::ip:
      return "ip";
    case FlagType::socket_address:
      return "ip:port";
    case FlagType::list:
      return "list";
    case FlagType::map:
      return "map";
    case FlagType::quantity:
      return "quantity";
    case FlagType::version:
      return "true|false|raw";
  }
  return {};
}

TEST(FlagTable, HoldsEveryFlagOfKubeProxyWithItsTypeAndDefault) {
  const auto list = YAML::LoadFile(VIADUCT_NAMING_YAML)["flags"]["list"];
  ASSERT_GT(list.size(), 50U);
  for (const auto& expected : list) {
    const auto name = expected["flag"].as<std::string>().substr(2);
    const auto* flag = find_flag(name);
    ASSERT_NE(flag, nullptr) << name;
    EXPECT_EQ(type_name(flag->type), expected["type"].as<std::string>()) << name;
    const auto standard = expected["default"];
    EXPECT_EQ(flag->standard, standard.IsSequence() ? "" : standard.as<std::string>()) << name;
  }
}

TEST(FlagTable, HasADefaultOfTheFlagsOwnTypeForEach) {
  for (const auto& flag : flags()) {
    FlagValues values;
    EXPECT_TRUE(values.give(flag, std::string{flag.standard})) << flag.name;
  }
}

TEST(FlagTable, NamesEachFlagOnceAndExplainsIt) {
  for (const auto& flag : flags()) {
    EXPECT_EQ(std::ranges::count(flags(), flag.name, &Flag::name), 1) << flag.name;
    EXPECT_FALSE(flag.help.empty()) << flag.name;
    EXPECT_FALSE(flag.help.ends_with('.')) << flag.name;
  }
}

}  // namespace
}  // namespace proxy::config
