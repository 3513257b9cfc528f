#include "proxy/sync/intake.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace proxy::sync {

void Intake::replace(std::vector<records::Record> all) {
  const auto count = all.size();
  listener_.about_to_replace(all);
  table_.replace(std::move(all));
  listener_.records_replaced(count);
}

void Intake::change(std::vector<sources::Change> changes) {
  listener_.about_to_change(changes);
  table_.change(changes);
  listener_.records_changed();
}

void Intake::problems(std::vector<sources::Problem> all) {
  std::ranges::sort(all);
  all.erase(std::ranges::unique(all).begin(), all.end());
  std::vector<sources::Problem> added;
  std::vector<sources::Problem> gone;
  std::ranges::set_difference(all, problems_, std::back_inserter(added));
  std::ranges::set_difference(problems_, all, std::back_inserter(gone));
  problems_ = std::move(all);
  if (!added.empty() || !gone.empty()) listener_.problems_changed(added, gone);
}

}  // namespace proxy::sync
