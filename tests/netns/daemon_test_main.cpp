// main() of the tests with a daemon in them: GoogleTest's, behind a /run of their own.
#include "tests/netns/network_namespace.hpp"

#include <gtest/gtest.h>

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (!testing::GTEST_FLAG(list_tests) && netns::why_no_namespaces().empty()) {
    netns::take_private_run();
  }
  return RUN_ALL_TESTS();
}
