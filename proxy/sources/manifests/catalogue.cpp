#include "proxy/sources/manifests/catalogue.hpp"

#include <algorithm>
#include <cassert>
#include <unordered_set>

namespace proxy::sources::manifests {

void Catalogue::set(const std::string& file, std::vector<StatementPtr> statements) {
  const auto known = files_.try_emplace(file).first;
  const auto last = std::exchange(known->second, std::move(statements));

  // By identity: what was taken over from the last version needs no second look.
  const std::unordered_set<StatementPtr> now{known->second.begin(), known->second.end()};
  const std::unordered_set<StatementPtr> then{last.begin(), last.end()};
  for (const auto& statement : last) {
    if (!now.contains(statement)) remove({&known->first, statement});
  }
  for (const auto& statement : known->second) {
    if (!then.contains(statement)) add({&known->first, statement});
  }
  resort_losers();
  if (known->second.empty()) files_.erase(known);
}

void Catalogue::touch(const records::RecordKey& key) {
  const auto winner = winners_.find(&key);
  touched_.try_emplace(key, winner == winners_.end()
                                ? std::nullopt
                                : std::optional{winner->second.statement->fingerprint});
}

void Catalogue::add(Say say) {
  const auto& key = say.statement->key;
  touch(key);
  const auto winner = winners_.find(&key);
  if (winner == winners_.end()) {
    winners_.emplace(&key, std::move(say));
  } else {
    losers_[key].push_back(std::move(say));  // whether it loses, resort_losers() sees
  }
}

void Catalogue::remove(const Say& say) {
  const auto key = say.statement->key;
  touch(key);
  const auto losers = losers_.find(key);
  const auto winner = winners_.find(&key);
  assert(winner != winners_.end());
  if (winner->second != say) {
    std::erase(losers->second, say);
  } else if (losers == losers_.end()) {
    winners_.erase(winner);
  } else {
    set_winner(winner, losers->second.front());
    losers->second.erase(losers->second.begin());
  }
  if (losers != losers_.end() && losers->second.empty()) losers_.erase(losers);
}

void Catalogue::set_winner(Winners::iterator winner, Say say) {
  auto node = winners_.extract(winner);
  node.key() = &say.statement->key;
  node.mapped() = std::move(say);
  winners_.insert(std::move(node));
}

// Documents may have changed places, and new ones may come before what counted so far.
void Catalogue::resort_losers() {
  const auto order = [](const Say& a, const Say& b) {
    return a.file == b.file ? a.statement->place < b.statement->place : *a.file < *b.file;
  };
  for (auto& [key, losers] : losers_) {
    std::ranges::sort(losers, order);
    const auto winner = winners_.find(&key);
    if (!order(losers.front(), winner->second)) continue;
    touch(key);
    losers.push_back(winner->second);
    set_winner(winner, losers.front());
    losers.erase(losers.begin());
    std::ranges::sort(losers, order);
  }
}

std::vector<RecordChange> Catalogue::take_changes() {
  wanted_.clear();
  std::vector<RecordChange> changes;
  for (auto next = touched_.begin(); next != touched_.end();) {
    const auto& [key, before] = *next;
    const auto winner = winners_.find(&key);
    if (winner == winners_.end()) {
      if (before) changes.push_back({key, nullptr});
    } else if (auto& statement = *winner->second.statement; statement.fingerprint == before) {
      statement.body.reset();  // it is there already
    } else if (statement.body) {
      changes.push_back({key, std::move(statement.body)});
    } else {
      wanted_.insert(*winner->second.file);
      ++next;
      continue;
    }
    next = touched_.erase(next);
  }
  return changes;
}

std::vector<Conflict> Catalogue::conflicts() const {
  std::vector<Conflict> found;
  for (const auto& [key, losers] : losers_) {
    const auto& winner = winners_.at(&key);
    for (const auto& loser : losers) {
      found.push_back({.key = key,
                       .winning_file = *winner.file,
                       .losing_file = *loser.file,
                       .winning_line = winner.statement->line,
                       .losing_line = loser.statement->line});
    }
  }
  return found;
}

}  // namespace proxy::sources::manifests
