#include "modes/ipvs/server_sync.hpp"

#include <algorithm>
#include <cerrno>

namespace modes::ipvs {
namespace {

// Each attempt finds one scheduler more that the kernel lacks.
constexpr int kAttempts = 16;

const Scheduler* scheduler_of(const Step& step) {
  if (const auto* add = std::get_if<AddVirtualServer>(&step)) return &add->scheduler;
  if (const auto* change = std::get_if<ChangeVirtualServer>(&step)) return &change->scheduler;
  return nullptr;
}

// The kernel has another state than the plan was made for.
bool has_moved(const Error& error) {
  const auto code = error.code.value();
  return code == EEXIST || code == ENOENT || code == ESRCH;
}

}  // namespace

void ServerSync::observe(const Observed& seen, const VirtualServers& wanted,
                         const std::function<bool(const VirtualServerKey&)>& ours,
                         Weights weights) {
  VirtualServers has;
  for (const auto& [key, observed] : seen) {
    const auto wish = wanted.find(key);
    if (wish == wanted.end() && !ours(key)) continue;
    auto& server = has[key] = observed.server();
    for (auto& real : server.real_servers) {
      const bool is_wanted = wish != wanted.end() &&
                             std::ranges::binary_search(wish->second.real_servers, real.endpoint,
                                                        {}, &RealServer::endpoint);
      if (is_wanted && weights == Weights::left && !drains_.contains(key, real.endpoint)) {
        real.weight = 1;
      }
      if (!is_wanted && real.weight == 0) drains_.begin(key, real.endpoint, now_());
    }
  }
  has_ = std::move(has);
  for (const auto& key : drains_.servers()) {
    if (!has_.contains(key)) drains_.end_all(key);
  }
}

Result<std::size_t> ServerSync::change(std::span<const ServicePortName> names,
                                       const std::set<VirtualServerKey>& keys,
                                       const VirtualServers& wanted, const Holdings& holdings) {
  for (const auto& name : names) set_aside_.erase(name);
  VirtualServers actual;
  for (const auto& key : keys) {
    if (const auto it = has_.find(key); it != has_.end()) actual.insert(*it);
  }
  return carry_out(actual, wanted, holdings);
}

Result<std::size_t> ServerSync::change_all(const VirtualServers& wanted, const Holdings& holdings) {
  set_aside_.clear();
  return carry_out(has_, wanted, holdings);
}

VirtualServers ServerSync::with_known_schedulers(const VirtualServers& wanted) const {
  auto out = wanted;
  for (auto& [key, server] : out) {
    if (lacking_.contains(server.scheduler.name)) server.scheduler = Scheduler{};
  }
  return out;
}

Result<std::size_t> ServerSync::carry_out(const VirtualServers& actual,
                                          const VirtualServers& wanted, const Holdings& holdings) {
  std::size_t sum = 0;
  auto now = actual;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto steps =
        lacking_.empty() ? plan(now, wanted) : plan(now, with_known_schedulers(wanted));
    if (steps.empty()) return sum;
    sum += steps.size();
    const auto through = apply(steps, holdings);
    if (!through) return through.error();
    if (*through) return sum;
    // Again, with what the kernel took so far.
    now.clear();
    const auto take = [&](const VirtualServerKey& key) {
      if (const auto it = has_.find(key); it != has_.end()) now.insert(*it);
    };
    for (const auto& [key, server] : actual) take(key);
    for (const auto& [key, server] : wanted) take(key);
  }
  return proxy::system_error(EAGAIN, "change virtual servers: refused again and again");
}

bool ServerSync::lacks_scheduler(const Step& step, const Error& error) {
  const auto* scheduler = scheduler_of(step);
  if (scheduler == nullptr || scheduler->name == "rr") return false;
  if (error.code != std::errc::no_such_file_or_directory) return false;
  if (lacking_.insert(scheduler->name).second) {
    warn_("this kernel has no IPVS scheduler " + scheduler->name + " (module ip_vs_" +
          scheduler->name + "): services that ask for it get rr");
  }
  return true;
}

// False: a scheduler was found to be lacking, and what depended on it was refused with it.
Result<bool> ServerSync::apply(const std::vector<Step>& steps, const Holdings& holdings) {
  auto refused = kernel_.apply(steps);
  if (!refused) return refused.error();
  bool all = true;
  std::set<VirtualServerKey> excused;  // what follows from an earlier refusal
  auto next = refused->begin();
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (next == refused->end() || next->step != i) {
      took(steps[i]);
      continue;
    }
    const auto& key = key_of(steps[i]);
    auto error = std::move(next->error);
    ++next;
    if (excused.contains(key)) continue;
    if (lacks_scheduler(steps[i], error)) {
      all = false;
      excused.insert(key);
      continue;
    }
    if (has_moved(error)) return error;
    excused.insert(key);
    if (const auto owner = holdings.servers.find(key)) {
      set_aside_.insert_or_assign(*owner, std::move(error));
    } else {
      return error;
    }
  }
  // Those that are drained without a connection go now.
  std::set<VirtualServerKey> drained;
  for (const auto& step : steps) {
    if (std::holds_alternative<DrainRealServer>(step)) drained.insert(key_of(step));
  }
  std::vector<Step> finished;
  for (const auto& key : drained) {
    const auto seen = kernel_.real_servers(key);
    if (!seen) return seen.error();
    std::ranges::move(drains_.finished(key, *seen, now_()), std::back_inserter(finished));
  }
  if (finished.empty()) return all;
  const auto removed = apply(finished, holdings);
  if (!removed) return removed.error();
  return all;
}

// The kernel took it. A real server that is drained counts as busy until it has been looked at.
void ServerSync::took(const Step& step) {
  ipvs::apply(
      step, [](const auto&, const auto&) { return true; }, has_);
  if (const auto* drain = std::get_if<DrainRealServer>(&step)) {
    drains_.begin(drain->key, drain->endpoint, now_());
  } else if (const auto* restore = std::get_if<RestoreRealServer>(&step)) {
    drains_.end(restore->key, restore->endpoint);
  } else if (const auto* remove = std::get_if<RemoveRealServer>(&step)) {
    drains_.end(remove->key, remove->endpoint);
  } else if (const auto* gone = std::get_if<RemoveVirtualServer>(&step)) {
    drains_.end_all(gone->key);
  }
}

Result<std::size_t> ServerSync::look_after_drains() {
  std::vector<Step> finished;
  for (const auto& key : drains_.servers()) {
    const auto seen = kernel_.real_servers(key);
    if (!seen) return seen.error();
    std::ranges::move(drains_.finished(key, *seen, now_()), std::back_inserter(finished));
  }
  if (finished.empty()) return std::size_t{0};
  const auto through = apply(finished, Holdings{});
  if (!through) return through.error();
  return finished.size();
}

std::vector<SetAside> ServerSync::set_aside() const {
  std::vector<SetAside> out;
  for (const auto& [name, error] : set_aside_) out.push_back({name, error});
  return out;
}

}  // namespace modes::ipvs
