#include "proxy/sources/manifests/file_content.hpp"

#include "tests/proxy/sources/manifests/samples.hpp"

#include <gmock/gmock.h>

namespace proxy::sources::manifests {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class FileContentTest : public testing::Test {
 protected:
  const FileContent& read(const std::string& text) {
    content_ = read_content(text, decoder_, std::move(content_));
    return content_;
  }
  static std::vector<std::string> names(const std::vector<StatementPtr>& statements) {
    std::vector<std::string> found;
    for (const auto& statement : statements) found.push_back(statement->key.name.name);
    return found;
  }
  // Of everything that counts.
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& document : content_.documents) {
      for (auto& name : names(document.statements)) found.push_back(std::move(name));
    }
    for (auto& name : names(content_.retained)) found.push_back(std::move(name) + " (retained)");
    return found;
  }

  records::Decoder decoder_;
  FileContent content_;
};

const std::string kBroken = "apiVersion: v1\nkind: [Service\n";
const std::string kBadPort =
    "{apiVersion: v1, kind: Service, metadata: {name: b}, spec: {ports: [{port: 0}]}}\n";

TEST_F(FileContentTest, HoldsYamlAndJsonSideBySide) {
  read(service_yaml("a") + "---\n" +
       R"({"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Service",)" +
       R"("metadata":{"name":"b"}}]})" +
       "\n---\n{apiVersion: v1, kind: Namespace, metadata: {name: c}}");
  EXPECT_THAT(names(), ElementsAre("a", "b", "c"));
}

TEST_F(FileContentTest, OnlyDocumentsWhoseBytesChangedAreDecodedAgain) {
  const auto& first = read(service_yaml("a") + "---\n" + service_yaml("b"));
  const auto a = first.documents[0].statements[0];
  const auto b = first.documents[1].statements[0];
  const auto& after =
      read("# new\n---\n" + service_yaml("a") + "---\n" + service_yaml("b", "10.96.0.2"));
  EXPECT_EQ(after.documents[0].statements[0], a);
  EXPECT_EQ(after.documents[0].first_line, 3U);
  EXPECT_NE(after.documents[1].statements[0], b);
  EXPECT_NE(after.documents[1].statements[0]->fingerprint, b->fingerprint);
}

TEST_F(FileContentTest, WithoutReuseEverythingHasItsBodyAgain) {
  const auto text = service_yaml("a");
  auto& handed_over = *read(text).documents[0].statements[0];
  handed_over.body.reset();
  EXPECT_EQ(read(text).documents[0].statements[0]->body, nullptr);
  const auto again = read_content(text, decoder_, std::move(content_), Reuse::nothing);
  EXPECT_NE(again.documents[0].statements[0]->body, nullptr);
}

TEST_F(FileContentTest, TheSameDocumentTwiceIsTwoRecords) {
  read(service_yaml("a"));
  const auto& twice = read(service_yaml("a") + "---\n" + service_yaml("a"));
  ASSERT_THAT(twice.documents, SizeIs(2));
  EXPECT_NE(twice.documents[0].statements[0], twice.documents[1].statements[0]);
}

TEST_F(FileContentTest, ABadObjectStaysAsItLastCouldBeReadAndTheOthersGoOn) {
  read(service_yaml("a") + "---\n" + service_yaml("b") + "---\n" + service_yaml("c"));
  const auto& now = read(service_yaml("a", "10.96.0.9") + "---\n" + kBadPort);
  EXPECT_THAT(names(), ElementsAre("a", "b (retained)"));  // c was taken out on purpose
  EXPECT_THAT(now.documents[1].notes->complaints[0].what, HasSubstr("0 is not a port"));
}

TEST_F(FileContentTest, AHalfWrittenFileTakesNothingAway) {
  read(service_yaml("a") + "---\n" + service_yaml("b") + "---\n" + service_yaml("c"));
  const auto& now = read(service_yaml("a", "10.96.0.9") + "---\n" + kBroken);
  EXPECT_THAT(names(), ElementsAre("a", "b (retained)", "c (retained)"));
  EXPECT_THAT(now.documents[1].notes->complaints[0].what, HasSubstr("line 10"));
}

TEST_F(FileContentTest, WhatIsRetainedStaysThroughFurtherMistakesAndGoesWithTheirMending) {
  read(service_yaml("a"));
  read(kBroken);
  read(kBroken + "x");
  EXPECT_THAT(names(), ElementsAre("a (retained)"));
  read(service_yaml("b"));
  EXPECT_THAT(names(), ElementsAre("b"));
}

TEST_F(FileContentTest, ANewFileWithAMistakeStillGivesItsGoodObjects) {
  read(service_yaml("a") + "---\n" + kBroken + "---\n" + service_yaml("c"));
  EXPECT_THAT(names(), ElementsAre("a", "c"));
}

TEST_F(FileContentTest, KindsThatAreNotOursAreCountedAsSkipped) {
  const auto& now = read("{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}}");
  EXPECT_THAT(now.documents[0].notes->skipped, ElementsAre("apps/v1 Deployment web"));
  EXPECT_THAT(now.documents[0].notes->complaints, IsEmpty());
}

}  // namespace
}  // namespace proxy::sources::manifests
