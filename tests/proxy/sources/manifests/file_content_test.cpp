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
  static std::vector<std::string> names(const std::vector<RecordPtr>& records) {
    std::vector<std::string> found;
    for (const auto& record : records) found.push_back(name_of(*record).name);
    return found;
  }
  // Of everything that counts.
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& document : content_.documents) {
      for (auto& name : names(document.records)) found.push_back(std::move(name));
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
  const auto before = read(service_yaml("a") + "---\n" + service_yaml("b"));
  const auto after =
      read("# new\n---\n" + service_yaml("a") + "---\n" + service_yaml("b", "10.96.0.2"));
  EXPECT_EQ(after.documents[0].records[0], before.documents[0].records[0]);  // the same pointer
  EXPECT_EQ(after.documents[0].first_line, 3U);
  EXPECT_NE(after.documents[1].records[0], before.documents[1].records[0]);
}

TEST_F(FileContentTest, TheSameDocumentTwiceIsTwoRecords) {
  read(service_yaml("a"));
  const auto& twice = read(service_yaml("a") + "---\n" + service_yaml("a"));
  ASSERT_THAT(twice.documents, SizeIs(2));
  EXPECT_NE(twice.documents[0].records[0], twice.documents[1].records[0]);
}

TEST_F(FileContentTest, ABadObjectStaysAsItLastCouldBeReadAndTheOthersGoOn) {
  read(service_yaml("a") + "---\n" + service_yaml("b") + "---\n" + service_yaml("c"));
  const auto& now = read(service_yaml("a", "10.96.0.9") + "---\n" + kBadPort);
  EXPECT_THAT(names(), ElementsAre("a", "b (retained)"));  // c was taken out on purpose
  EXPECT_THAT(now.documents[1].complaints[0].what, HasSubstr("0 is not a port"));
}

TEST_F(FileContentTest, AHalfWrittenFileTakesNothingAway) {
  read(service_yaml("a") + "---\n" + service_yaml("b") + "---\n" + service_yaml("c"));
  const auto& now = read(service_yaml("a", "10.96.0.9") + "---\n" + kBroken);
  EXPECT_THAT(names(), ElementsAre("a", "b (retained)", "c (retained)"));
  EXPECT_THAT(now.documents[1].complaints[0].what, HasSubstr("line 10"));
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
  EXPECT_THAT(now.documents[0].skipped, ElementsAre("apps/v1 Deployment web"));
  EXPECT_THAT(now.documents[0].complaints, IsEmpty());
}

}  // namespace
}  // namespace proxy::sources::manifests
