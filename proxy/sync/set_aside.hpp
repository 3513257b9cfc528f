// Which service ports the kernel refuses, and what is new about that since the last report.
//
// Pure. A report names all that are set aside; users are told once when one is, and once when it is
// back, not at every sync.
#pragma once

#include "modes/mode.hpp"

#include <map>
#include <string>
#include <vector>

namespace proxy::sync {

struct SetAsideNews {
  std::vector<modes::SetAside> added;  // also where the reason changed
  std::vector<state::ServicePortName> back;
};

class SetAsideBook {
 public:
  // Takes over the set of the latest report.
  SetAsideNews update(const std::vector<modes::SetAside>& all);

  // Service port and reason.
  [[nodiscard]] const std::map<state::ServicePortName, std::string>& all() const { return all_; }

 private:
  std::map<state::ServicePortName, std::string> all_;
};

}  // namespace proxy::sync
