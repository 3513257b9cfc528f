// An IPVS in memory: takes the same steps and refuses what the kernel refuses, with its errors.
#pragma once

#include "modes/ipvs/ipvs_kernel.hpp"

#include <algorithm>
#include <cerrno>
#include <set>
#include <string>

namespace modes::ipvs {

class FakeIpvs final : public IpvsKernel {
 public:
  VirtualServers has;
  std::set<std::pair<VirtualServerKey, Endpoint>> busy;  // those with connections
  std::map<VirtualServerKey, Statistics> statistics;
  std::map<std::pair<VirtualServerKey, Endpoint>, Statistics> statistics_of_real;
  std::set<std::string> schedulers{"rr", "wlc"};
  int fail_next_with = 0;                  // errno of the whole next call
  std::map<VirtualServerKey, int> faulty;  // errno of each step for it
  std::vector<Step> taken;

  Awaitable<Result<Observed>> observe() override { co_return observed(); }
  [[nodiscard]] Observed observed() const {
    Observed out;
    for (const auto& [key, server] : has) {
      auto& to = out[key];
      to.scheduler = server.scheduler;
      to.persistence = server.persistence;
      if (const auto it = statistics.find(key); it != statistics.end()) to.statistics = it->second;
      for (const auto& real : server.real_servers) to.real_servers.push_back(seen(key, real));
    }
    return out;
  }

  Result<std::vector<RefusedStep>> apply(std::span<const Step> steps) override {
    if (fail_next_with != 0) {
      return proxy::system_error(std::exchange(fail_next_with, 0), "receive");
    }
    std::vector<RefusedStep> refused;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      if (const int error = refusal(steps[i]); error != 0) {
        refused.push_back({i, proxy::system_error(error, key_of(steps[i]).text())});
        continue;
      }
      taken.push_back(steps[i]);
      ipvs::apply(
          steps[i], [](const auto&, const auto&) { return true; }, has);
    }
    return refused;
  }

  Result<std::vector<ObservedRealServer>> real_servers(const VirtualServerKey& key) override {
    std::vector<ObservedRealServer> out;
    if (const auto it = has.find(key); it != has.end()) {
      for (const auto& real : it->second.real_servers) out.push_back(seen(key, real));
    }
    return out;
  }
  Result<std::optional<ObservedVirtualServer>> look(const VirtualServerKey& key) override {
    if (!has.contains(key)) return std::optional<ObservedVirtualServer>{};
    auto all = observed();
    return std::optional{std::move(all.at(key))};
  }
  Result<void> set_timeouts(const Settings& /*settings*/) override { return {}; }

 private:
  [[nodiscard]] ObservedRealServer seen(const VirtualServerKey& key, const RealServer& real) const {
    const auto known = statistics_of_real.find({key, real.endpoint});
    return {.server = real,
            .active = busy.contains({key, real.endpoint}) ? 1U : 0U,
            .inactive = 0,
            .statistics = known == statistics_of_real.end() ? Statistics{} : known->second};
  }
  [[nodiscard]] bool has_real(const VirtualServerKey& key, const Endpoint& endpoint) const {
    return std::ranges::count(has.at(key).real_servers, endpoint, &RealServer::endpoint) != 0;
  }
  // As ip_vs_ctl.c answers.
  [[nodiscard]] int refusal(const Step& step) const {
    const auto& key = key_of(step);
    if (const auto it = faulty.find(key); it != faulty.end()) return it->second;
    const bool there = has.contains(key);
    if (const auto* add = std::get_if<AddVirtualServer>(&step)) {
      if (there) return EEXIST;
      return schedulers.contains(add->scheduler.name) ? 0 : ENOENT;
    }
    if (!there) return ESRCH;
    if (const auto* change = std::get_if<ChangeVirtualServer>(&step)) {
      return schedulers.contains(change->scheduler.name) ? 0 : ENOENT;
    }
    if (const auto* add = std::get_if<AddRealServer>(&step)) {
      return has_real(key, add->endpoint) ? EEXIST : 0;
    }
    if (const auto* set = std::get_if<RestoreRealServer>(&step)) {
      return has_real(key, set->endpoint) ? 0 : ENOENT;
    }
    if (const auto* drain = std::get_if<DrainRealServer>(&step)) {
      return has_real(key, drain->endpoint) ? 0 : ENOENT;
    }
    if (const auto* remove = std::get_if<RemoveRealServer>(&step)) {
      return has_real(key, remove->endpoint) ? 0 : ENOENT;
    }
    return 0;
  }
};

}  // namespace modes::ipvs
