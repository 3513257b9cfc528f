#include "proxy/sources/manifests/manifests.hpp"

#include "tests/proxy/sources/manifests/samples.hpp"

#include <gmock/gmock.h>

namespace proxy::sources::manifests {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const std::string kBroken = "kind: [Service\n";

TEST(Manifests, ReportAMistakeOnceAndForgetItWhenItIsMended) {
  Manifests manifests;
  manifests.update("a.yaml", service_yaml("a"));
  EXPECT_THAT(manifests.take_changes(), SizeIs(1));
  manifests.update("a.yaml", service_yaml("x") + "---\n" + kBroken);
  EXPECT_THAT(manifests.take_changes(), SizeIs(1));  // x came, a stays
  ASSERT_THAT(manifests.problems("dir"), SizeIs(1));
  EXPECT_EQ(manifests.problems("dir")[0].where, "dir/a.yaml, document at line 8");
  EXPECT_THAT(manifests.problems("dir")[0].what,
              testing::EndsWith("; what the file said before and now does not stays in force"));
  manifests.update("a.yaml", service_yaml("a"));
  EXPECT_THAT(manifests.problems("dir"), IsEmpty());
}

TEST(Manifests, TheSameObjectInTwoFilesIsAProblemThatNamesBoth) {
  Manifests manifests;
  manifests.update("b.yaml", "---\n" + service_yaml("a"));
  manifests.update("a.yaml", "# first\n---\n" + service_yaml("a", "10.96.0.2"));
  EXPECT_THAT(manifests.problems("/m/"),
              ElementsAre(Problem{"/m/b.yaml, document at line 2",
                                  "Service default/a: is also in /m/a.yaml, document at line 3, "
                                  "which counts"}));
  ASSERT_THAT(manifests.take_changes(), SizeIs(1));
}

TEST(Manifests, AnEmptyFileThatHadContentIsTakenForHalfWritten) {
  Manifests manifests;
  manifests.update("a.yaml", "");
  EXPECT_THAT(manifests.problems(""), IsEmpty());
  manifests.update("a.yaml", service_yaml("a"));
  EXPECT_THAT(manifests.take_changes(), SizeIs(1));
  manifests.update("a.yaml", "");
  EXPECT_THAT(manifests.take_changes(), IsEmpty());
  EXPECT_THAT(manifests.problems(""), SizeIs(1));
  manifests.update("a.yaml", "# nothing, on purpose\n");
  EXPECT_THAT(manifests.take_changes(), ElementsAre(Change{Removal{service_key("a")}}));
  EXPECT_THAT(manifests.problems(""), IsEmpty());
}

TEST(Manifests, AFileThatCannotBeReadKeepsWhatItSaid) {
  Manifests manifests;
  manifests.update("a.yaml", service_yaml("a"));
  EXPECT_THAT(manifests.take_changes(), SizeIs(1));
  manifests.set_unreadable("a.yaml", "Permission denied");
  EXPECT_THAT(manifests.take_changes(), IsEmpty());
  EXPECT_THAT(manifests.problems("m"),
              ElementsAre(Problem{"m/a.yaml", "Permission denied; what it said stays in force"}));
  manifests.remove("a.yaml");
  EXPECT_THAT(manifests.take_changes(), SizeIs(1));
  EXPECT_THAT(manifests.problems("m"), IsEmpty());
}

TEST(Manifests, ValuesThatWereLeftOutAreProblemsToo) {
  Manifests manifests;
  manifests.update(
      "a.yaml", "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {externalIPs: [x]}}");
  EXPECT_THAT(manifests.problems(""),
              ElementsAre(Problem{"a.yaml",
                                  "Service default/a: spec.externalIPs[0]: \"x\" is not "
                                  "an IP address; left out"}));
}

TEST(Manifests, PodsGiveTheirServicesEndpoints) {
  Manifests manifests;
  manifests.update("a.yaml",
                   "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {clusterIP: "
                   "10.96.0.1, selector: {app: a}, ports: [{port: 80, targetPort: web}]}}\n---\n"
                   "{apiVersion: v1, kind: Pod, metadata: {name: a-0, labels: {app: a}}, spec: "
                   "{containers: [{ports: [{name: web, containerPort: 8080}]}]}, status: {podIP: "
                   "10.0.0.1, conditions: [{type: Ready, status: 'True'}]}}\n");
  const auto changes = manifests.take_changes();
  ASSERT_THAT(changes, SizeIs(3));
  const auto& slice = std::get<records::EndpointSlice>(std::get<records::Record>(changes[2]));
  EXPECT_EQ(slice.name.name, "a~pods-ipv4-8080");
}

}  // namespace
}  // namespace proxy::sources::manifests
