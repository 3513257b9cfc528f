#include "proxy/sync/intake.hpp"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

namespace proxy::sync {

namespace {

bool is_node(const records::Record& record) {
  return std::holds_alternative<records::Node>(record);
}

bool is_of_node(const sources::Change& change) {
  if (const auto* record = std::get_if<records::Record>(&change)) return is_node(*record);
  return std::get<sources::Removal>(change).key.kind == records::Kind::node;
}

}  // namespace

void Intake::replace(std::vector<records::Record> all) {
  const auto count = all.size();
  listener_.about_to_replace(all);
  if (keep_ == Keep::node) std::erase_if(all, std::not_fn(is_node));
  table_.replace(std::move(all));
  listener_.records_replaced(count);
}

void Intake::change(std::vector<sources::Change> changes) {
  listener_.about_to_change(changes);
  if (keep_ == Keep::node) std::erase_if(changes, std::not_fn(is_of_node));
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
