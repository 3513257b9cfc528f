#include "bench/report.hpp"

#include <cstdio>
#include <cstdlib>

namespace bench {

void fail(const std::string& text) {
  std::fprintf(stderr, "bench: %s\n", text.c_str());
  std::exit(1);
}

}  // namespace bench
