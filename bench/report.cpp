#include "bench/report.hpp"

#include <cstdio>
#include <cstdlib>

namespace bench {

void fail(const std::string& text) {
  std::fprintf(stderr, "bench: %s\n", text.c_str());
  std::exit(1);
}

void figure(const std::string& key, double value) {
  if (std::getenv("VIADUCT_BENCH_FIGURES") == nullptr) return;
  std::printf("figure %s %.6g\n", key.c_str(), value);
}

}  // namespace bench
