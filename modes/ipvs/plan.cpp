#include "modes/ipvs/plan.hpp"

#include <algorithm>

namespace modes::ipvs {
namespace {

// Connections of other protocols end by themselves and soon, or can't be told from new ones.
bool drains(Protocol protocol) {
  return protocol == Protocol::tcp;
}

class Planner {
 public:
  std::vector<Step> plan(const VirtualServers& actual, const VirtualServers& wanted) && {
    auto now = actual.begin();
    auto then = wanted.begin();
    while (now != actual.end() || then != wanted.end()) {
      if (then == wanted.end() || (now != actual.end() && now->first < then->first)) {
        out_.emplace_back(RemoveVirtualServer{now->first});
        ++now;
      } else if (now == actual.end() || then->first < now->first) {
        out_.emplace_back(
            AddVirtualServer{then->first, then->second.scheduler, then->second.persistence});
        real_servers(then->first, {}, then->second.real_servers);
        ++then;
      } else {
        change(then->first, now->second, then->second);
        ++now;
        ++then;
      }
    }
    return std::move(out_);
  }

 private:
  void change(const VirtualServerKey& key, const VirtualServer& now, const VirtualServer& then) {
    if (now.scheduler != then.scheduler || now.persistence != then.persistence) {
      out_.emplace_back(ChangeVirtualServer{key, then.scheduler, then.persistence});
    }
    if (now.real_servers != then.real_servers)
      real_servers(key, now.real_servers, then.real_servers);
  }

  void real_servers(const VirtualServerKey& key, const std::vector<RealServer>& actual,
                    const std::vector<RealServer>& wanted) {
    std::vector<Step> goes;
    auto now = actual.begin();
    auto then = wanted.begin();
    while (now != actual.end() || then != wanted.end()) {
      if (then == wanted.end() || (now != actual.end() && now->endpoint < then->endpoint)) {
        remove(key, *now++, goes);
      } else if (now == actual.end() || then->endpoint < now->endpoint) {
        out_.emplace_back(AddRealServer{key, then++->endpoint});
      } else {
        if (*now != *then) out_.emplace_back(RestoreRealServer{key, then->endpoint});
        ++now;
        ++then;
      }
    }
    std::ranges::move(goes, std::back_inserter(out_));
  }

  static void remove(const VirtualServerKey& key, const RealServer& server,
                     std::vector<Step>& goes) {
    if (!drains(key.protocol)) {
      goes.emplace_back(RemoveRealServer{key, server.endpoint});
    } else if (server.weight != 0) {
      goes.emplace_back(DrainRealServer{key, server.endpoint});
    }
  }

  std::vector<Step> out_;
};

std::vector<RealServer>::iterator place(VirtualServer& in, const Endpoint& endpoint) {
  return std::ranges::lower_bound(in.real_servers, endpoint, {}, &RealServer::endpoint);
}

void put(VirtualServer& in, const RealServer& server) {
  const auto it = place(in, server.endpoint);
  if (it != in.real_servers.end() && it->endpoint == server.endpoint) {
    *it = server;
  } else {
    in.real_servers.insert(it, server);
  }
}

void erase(VirtualServer& in, const Endpoint& endpoint) {
  const auto it = place(in, endpoint);
  if (it != in.real_servers.end() && it->endpoint == endpoint) in.real_servers.erase(it);
}

}  // namespace

const VirtualServerKey& key_of(const Step& step) {
  return std::visit([](const auto& any) -> const VirtualServerKey& { return any.key; }, step);
}

std::vector<Step> plan(const VirtualServers& actual, const VirtualServers& wanted) {
  return Planner{}.plan(actual, wanted);
}

void apply(const Step& step, const Busy& busy, VirtualServers& to) {
  struct Apply {
    const Busy& busy;
    VirtualServers& to;

    void operator()(const AddVirtualServer& add) const {
      to[add.key] = VirtualServer{add.scheduler, add.persistence, {}};
    }
    void operator()(const ChangeVirtualServer& change) const {
      to[change.key].scheduler = change.scheduler;
      to[change.key].persistence = change.persistence;
    }
    void operator()(const RemoveVirtualServer& remove) const { to.erase(remove.key); }
    void operator()(const AddRealServer& add) const { put(to[add.key], {add.endpoint}); }
    void operator()(const RestoreRealServer& set) const { put(to[set.key], {set.endpoint}); }
    void operator()(const DrainRealServer& drain) const {
      if (busy(drain.key, drain.endpoint)) {
        put(to[drain.key], {.endpoint = drain.endpoint, .weight = 0});
      } else {
        erase(to[drain.key], drain.endpoint);
      }
    }
    void operator()(const RemoveRealServer& remove) const {
      erase(to[remove.key], remove.endpoint);
    }
  };
  std::visit(Apply{busy, to}, step);
}

}  // namespace modes::ipvs
