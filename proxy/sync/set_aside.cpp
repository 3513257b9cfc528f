#include "proxy/sync/set_aside.hpp"

#include <utility>

namespace proxy::sync {

SetAsideNews SetAsideBook::update(const std::vector<modes::SetAside>& all) {
  SetAsideNews news;
  std::map<state::ServicePortName, std::string> now;
  for (const auto& entry : all) {
    const auto reason = entry.error.text();
    const auto before = all_.find(entry.name);
    if (before == all_.end() || before->second != reason) news.added.push_back(entry);
    now.insert_or_assign(entry.name, reason);
  }
  for (const auto& [name, reason] : all_) {
    if (!now.contains(name)) news.back.push_back(name);
  }
  all_ = std::move(now);
  return news;
}

}  // namespace proxy::sync
