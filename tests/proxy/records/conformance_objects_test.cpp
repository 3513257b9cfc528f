// Every object of the conformance cases decodes: they are what real API servers serve.
#include "proxy/records/json_text.hpp"
#include "tests/proxy/records/decoding.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

namespace proxy::records {
namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file{path};
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

// The elements of the arrays "objects" and "apply" of a case, those of its steps included.
void collect_objects(std::string_view json, std::vector<std::string>& objects) {
  const auto members = json::members(json);
  ASSERT_TRUE(members) << members.error();
  for (const auto& [key, value] : *members) {
    if (key != "objects" && key != "apply" && key != "steps") continue;
    const auto elements = json::elements(value);
    ASSERT_TRUE(elements) << elements.error();
    for (const auto element : *elements) {
      if (key == "steps") {
        collect_objects(element, objects);
      } else {
        objects.emplace_back(element);
      }
    }
  }
}

class ConformanceObjects : public testing::TestWithParam<const char*> {};

TEST_P(ConformanceObjects, AllDecodeWithoutAWordOfComplaint) {
  std::map<Kind, int> count;
  for (const auto& file :
       std::filesystem::directory_iterator{VIADUCT_CONFORMANCE_DIR "/" + std::string{GetParam()}}) {
    if (file.path().extension() != ".yaml") continue;
    SCOPED_TRACE(file.path().filename());
    const auto documents = yaml_to_json(read_file(file.path()));
    ASSERT_TRUE(documents) << documents.error();
    std::vector<std::string> objects;
    for (const auto& document : *documents) collect_objects(document, objects);
    Decoder decoder;
    for (const auto& object : objects) {
      const auto outcome = decoder.decode_object(object);
      ASSERT_TRUE(std::holds_alternative<Decoded>(outcome)) << error_of(outcome) << object;
      EXPECT_TRUE(remarks_of(outcome).empty()) << remarks_of(outcome).front();
      ++count[kind_of(std::get<Decoded>(outcome).record)];
    }
  }
  EXPECT_GT(count[Kind::service], 20);
  EXPECT_GT(count[Kind::endpoint_slice], 20);
}

INSTANTIATE_TEST_SUITE_P(Folders, ConformanceObjects, testing::Values("flows", "dns"));

}  // namespace
}  // namespace proxy::records
