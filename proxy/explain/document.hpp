// Questions and explanations as JSON, as they travel over the admin socket.
//
//   {"command":"explain","packet":"10.96.0.10:53/udp","from":"10.244.1.7"}
#pragma once

#include "proxy/explain/explain.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace proxy::explain {

// Fails when a member is missing or wrong.
[[nodiscard]] Result<Question> question_from(std::string_view request);

// What the mode and the last sync add to an explanation.
struct Circumstances {
  std::string mode;
  std::vector<std::string> places;  // where the service's rules stand, as Mode::places() says
  std::string set_aside;            // why the service port is not in force; empty: it is
};

[[nodiscard]] std::string explanation_document(const Question& question,
                                               const Explanation& explanation,
                                               const Circumstances& circumstances);

}  // namespace proxy::explain
