// Every scenario of tests/conformance/flows and of the folder flows/ beside this file, in every
// mode, through the real binary and the real kernel: one test each, named for its file.
//
//   VIADUCT_FLOWS_DIR   a folder with further scenarios, run as well
//   VIADUCT_MODES       the modes to run, by commas (default: all there are)
//   VIADUCT_BINARY      another daemon than this build's
//   VIADUCT_HOLD        set: a failed lab is kept until Enter, with how to get into it
#include "tests/netns/daemon_lab.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <ranges>
#include <string>
#include <string_view>
#include <vector>

namespace netns {
namespace {

#ifndef VIADUCT_DEFAULT_MODES
#define VIADUCT_DEFAULT_MODES "iptables,userspace,userspace-transparent"
#endif
constexpr std::string_view kModes = VIADUCT_DEFAULT_MODES;

class FlowTest : public testing::Test {
 public:
  FlowTest(std::filesystem::path file, std::string_view mode)
      : file_{std::move(file)}, mode_{mode_traits(mode)} {}

  void TestBody() override {
    const auto scenario = load_scenario(file_);
    if (!applies(scenario, mode_)) GTEST_SKIP() << "of other modes";
    if (const auto why = why_no_namespaces(); !why.empty()) GTEST_SKIP() << why;
    DaemonLab lab{scenario.proxy, mode_.name};
    try {
      check(scenario, lab);
    } catch (const std::exception& error) {
      ADD_FAILURE() << scenario.name << ": " << error.what();
    }
    if (HasFailure() && std::getenv("VIADUCT_HOLD") != nullptr) hold(lab.topology());
  }

 private:
  static void check(const Scenario& scenario, DaemonLab& lab) {
    lab.runner().serve(scenario.listeners);
    for (const auto& step : scenario.steps) {
      for (const auto& key : step.remove) lab.cluster().remove(key);
      for (const auto& object : step.apply) lab.cluster().apply(object);
      if (!lab.is_running()) lab.start();
      lab.settle();
      report(scenario, step, lab.runner().run(step.flows), lab);
    }
  }

  static void report(const Scenario& scenario, const Step& step,
                     const std::vector<FlowFailure>& failures, DaemonLab& lab) {
    if (failures.empty()) return;
    std::string text = "scenario " + scenario.name + ", step '" + step.name + "'\n";
    std::set<std::string> tables;
    for (const auto& failure : failures) {
      text += failure.text + '\n';
      tables.insert(save_command(failure.flow->to.ip.family()));
    }
    for (const auto& command : tables) {
      text += "--- " + command + " on node-a\n" + run(lab.node().net, {command}).output;
    }
    ADD_FAILURE() << text << "--- the daemon\n" << lab.daemon().process().output();
  }

  static void hold(const Topology& topology) {
    std::cerr << "The lab stays until you press Enter. A shell in one of its hosts:\n";
    for (const auto& [name, fd] : topology.descriptors()) {
      std::cerr << "  nsenter --net=/proc/" << ::getpid() << "/fd/" << fd << " bash   # " << name
                << '\n';
    }
    std::cin.get();
  }

  std::filesystem::path file_;
  ModeTraits mode_;
};

std::vector<std::filesystem::path> scenarios_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator{folder}) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

void register_scenarios(const std::string& suite, const std::filesystem::path& folder,
                        std::string_view modes) {
  for (const auto& part : std::views::split(modes, ',')) {
    const std::string mode{part.begin(), part.end()};
    for (const auto& file : scenarios_in(folder)) {
      auto name = file.stem().string();
      std::ranges::replace(name, '-', '_');  // a dash begins the exceptions in a gtest filter
      testing::RegisterTest((suite + "/" + mode).c_str(), name.c_str(), nullptr, nullptr,
                            file.c_str(), 1, [file, mode]() -> testing::Test* {
                              return new FlowTest{file, mode};
                            });
    }
  }
}

std::string_view environment(const char* name, std::string_view otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : otherwise;
}

}  // namespace
}  // namespace netns

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const auto modes = netns::environment("VIADUCT_MODES", netns::kModes);
  netns::register_scenarios("Flows", VIADUCT_FLOWS, modes);
  netns::register_scenarios("LabFlows", VIADUCT_LAB_FLOWS, modes);
  if (const auto more = netns::environment("VIADUCT_FLOWS_DIR", ""); !more.empty()) {
    netns::register_scenarios("MoreFlows", more, modes);
  }
  if (!testing::GTEST_FLAG(list_tests) && netns::why_no_namespaces().empty()) {
    netns::take_private_run();
  }
  return RUN_ALL_TESTS();
}
