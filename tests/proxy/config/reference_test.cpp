#include "proxy/config/reference.hpp"

#include "proxy/config/configuration_file.hpp"
#include "proxy/config/flags.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace proxy::config {
namespace {

using testing::HasSubstr;

std::string file(const char* path) {
  std::ifstream in{path};
  return {std::istreambuf_iterator<char>{in}, {}};
}

TEST(Reference, NamesEveryFlagInEveryForm) {
  for (const auto& flag : flags()) {
    const std::string name{flag.name};
    EXPECT_THAT(reference("").value(), HasSubstr("--" + name));
    EXPECT_THAT(reference("markdown").value(), HasSubstr("`--" + name + "`"));
    EXPECT_THAT(reference("bash").value(), HasSubstr("--" + name));
    EXPECT_THAT(reference("zsh").value(), HasSubstr("'--" + name));
  }
  for (const auto& field : configuration_fields()) {
    EXPECT_THAT(reference("markdown").value(), HasSubstr("`" + std::string{field.path} + "`"));
  }
}

TEST(Reference, OfTheDocumentsIsUpToDate) {
  EXPECT_EQ(file(VIADUCT_CONFIGURATION_MD), reference("markdown").value())
      << "viaduct help markdown >docs/configuration.md";
}

TEST(Reference, HasNoOtherForms) {
  EXPECT_EQ(reference("text").value(), reference("").value());
  EXPECT_FALSE(reference("html"));
}

}  // namespace
}  // namespace proxy::config
