// The iptables mode for benches, which takes what comes from bench/synthetic_cluster.hpp as pods.
#pragma once

#include "bench/mode_writer.hpp"

namespace bench {

class IptablesWriter : public ModeWriter {
 public:
  IptablesWriter();
};

}  // namespace bench
