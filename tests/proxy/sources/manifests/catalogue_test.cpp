#include "proxy/sources/manifests/catalogue.hpp"

#include "tests/proxy/sources/manifests/samples.hpp"

#include <gmock/gmock.h>

namespace proxy::sources::manifests {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class CatalogueTest : public testing::Test {
 protected:
  // "name=address" of what came, "-name" of what went.
  std::vector<std::string> changes() {
    std::vector<std::string> found;
    for (const auto& change : catalogue_.take_changes()) {
      const auto& name = change.key.name.name;
      found.push_back(change.after
                          ? name + "=" +
                                std::get<records::Service>(*change.after).cluster_ips.front().text()
                          : "-" + name);
    }
    return found;
  }
  // Equal addresses are equal content.
  static StatementPtr says(std::string_view name, std::string_view address, std::size_t line = 1) {
    auto made = statement(service(name, address), std::hash<std::string_view>{}(address));
    made->line = line;
    made->place = line;
    return made;
  }

  Catalogue catalogue_;
};

TEST_F(CatalogueTest, TellsWhatCameChangedAndWent) {
  const auto stays = says("a", "10.0.0.1");
  catalogue_.set("x", {stays, says("b", "10.0.0.2")});
  EXPECT_THAT(changes(), ElementsAre("a=10.0.0.1", "b=10.0.0.2"));
  catalogue_.set("x", {stays, says("b", "10.0.0.3"), says("c", "10.0.0.4")});
  EXPECT_THAT(changes(), ElementsAre("b=10.0.0.3", "c=10.0.0.4"));
  catalogue_.set("x", {});
  EXPECT_THAT(changes(), ElementsAre("-a", "-b", "-c"));
}

TEST_F(CatalogueTest, EqualContentIsNoChange) {
  catalogue_.set("x", {says("a", "10.0.0.1")});
  changes();
  catalogue_.set("x", {says("a", "10.0.0.1")});
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_F(CatalogueTest, MovingAnObjectToAnotherFileAtOnceIsNoChange) {
  catalogue_.set("x", {says("a", "10.0.0.1")});
  changes();
  catalogue_.set("x", {});
  catalogue_.set("y", {says("a", "10.0.0.1")});
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_F(CatalogueTest, TheFirstFileByNameCountsWhicheverCameFirst) {
  catalogue_.set("y", {says("a", "10.0.0.2")});
  EXPECT_THAT(changes(), ElementsAre("a=10.0.0.2"));
  catalogue_.set("x", {says("a", "10.0.0.1", 7)});
  EXPECT_THAT(changes(), ElementsAre("a=10.0.0.1"));
  catalogue_.set("z", {says("a", "10.0.0.3")});
  EXPECT_THAT(changes(), IsEmpty());
  const auto conflicts = catalogue_.conflicts();
  ASSERT_THAT(conflicts, SizeIs(2));
  EXPECT_EQ(conflicts[0].winning_file, "x");
  EXPECT_EQ(conflicts[0].winning_line, 7U);
  EXPECT_EQ(conflicts[0].losing_file, "y");
  EXPECT_EQ(conflicts[1].losing_file, "z");
}

TEST_F(CatalogueTest, WhenTheOneThatCountedGoesTheNextOneDoes) {
  catalogue_.set("x", {says("a", "10.0.0.1")});
  catalogue_.set("y", {says("a", "10.0.0.2")});
  changes();
  catalogue_.set("x", {});
  EXPECT_THAT(changes(), ElementsAre("a=10.0.0.2"));
  EXPECT_THAT(catalogue_.conflicts(), IsEmpty());
}

TEST_F(CatalogueTest, WhatWasHandedOverAndIsNeededAgainIsAskedFor) {
  catalogue_.set("y", {says("a", "10.0.0.2"), says("b", "10.0.0.3")});
  changes();
  catalogue_.set("x", {says("a", "10.0.0.1")});
  EXPECT_THAT(changes(), ElementsAre("a=10.0.0.1"));
  EXPECT_THAT(catalogue_.files_to_read_again(), IsEmpty());
  catalogue_.set("x", {});  // y counts again, but its record went away with the first changes
  EXPECT_THAT(changes(), IsEmpty());
  EXPECT_THAT(catalogue_.files_to_read_again(), ElementsAre("y"));
  catalogue_.set("y", {says("a", "10.0.0.2"), says("b", "10.0.0.3")});
  EXPECT_THAT(changes(), ElementsAre("a=10.0.0.2"));
  EXPECT_THAT(catalogue_.files_to_read_again(), IsEmpty());
}

TEST_F(CatalogueTest, NothingIsAskedForIfWhatCountsAgainIsWhatIsThere) {
  catalogue_.set("y", {says("a", "10.0.0.1")});
  changes();
  catalogue_.set("x", {says("a", "10.0.0.2")});
  catalogue_.set("x", {});
  EXPECT_THAT(changes(), IsEmpty());
  EXPECT_THAT(catalogue_.files_to_read_again(), IsEmpty());
}

TEST_F(CatalogueTest, WithinAFileTheFirstDocumentCounts) {
  const auto first = says("a", "10.0.0.1", 1);
  const auto second = says("a", "10.0.0.2", 9);
  catalogue_.set("x", {first, second});
  EXPECT_THAT(changes(), ElementsAre("a=10.0.0.1"));
  ASSERT_THAT(catalogue_.conflicts(), SizeIs(1));
  EXPECT_EQ(catalogue_.conflicts()[0].losing_line, 9U);

  std::swap(first->place, second->place);  // the documents changed places, nothing else
  catalogue_.set("x", {second, first});
  EXPECT_THAT(changes(), ElementsAre("a=10.0.0.2"));

  catalogue_.set("x", {first});
  EXPECT_THAT(changes(), IsEmpty());
  EXPECT_THAT(catalogue_.files_to_read_again(), ElementsAre("x"));
}

}  // namespace
}  // namespace proxy::sources::manifests
