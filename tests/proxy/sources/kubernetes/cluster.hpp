// A source on a loop, a fake API server on a thread, and what the stream adds up to.
#pragma once

#include "proxy/sources/kubernetes/kubeconfig.hpp"
#include "proxy/sources/kubernetes/kubernetes_source.hpp"
#include "tests/fakes/api_server/api_server.hpp"
#include "tests/fakes/fake_log.hpp"

#include <gmock/gmock.h>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace proxy::sources::kubernetes {

inline std::string service_json(const std::string& space, const std::string& name,
                                const std::string& cluster_ip = "10.96.0.1") {
  return R"({"metadata":{"name":")" + name + R"(","namespace":")" + space +
         R"("},"spec":{"type":"ClusterIP","clusterIP":")" + cluster_ip + R"(","clusterIPs":[")" +
         cluster_ip +
         R"("],"ports":[{"name":"http","port":80,"protocol":"TCP","targetPort":8080}]}})";
}
inline std::string slice_json(const std::string& space, const std::string& service,
                              const std::string& address = "10.244.0.1") {
  return R"({"metadata":{"name":")" + service + R"(-abc","namespace":")" + space +
         R"(","labels":{"kubernetes.io/service-name":")" + service +
         R"("}},"addressType":"IPv4","ports":[{"name":"http","port":8080,"protocol":"TCP"}],)"
         R"("endpoints":[{"addresses":[")" +
         address + R"("],"conditions":{"ready":true},"nodeName":"node-a"}]})";
}
inline std::string node_json(const std::string& name, const std::string& zone = "a") {
  return R"({"metadata":{"name":")" + name + R"(","labels":{"topology.kubernetes.io/zone":")" +
         zone + R"("}},"status":{"addresses":[{"type":"InternalIP","address":"192.168.0.2"}]}})";
}

// Keeps the state that the stream adds up to.
class RecordingSink final : public Sink {
 public:
  void replace(std::vector<records::Record> all) override {
    ++replacements;
    state.clear();
    for (auto& record : all) state.insert_or_assign(key_of(record), std::move(record));
  }
  void change(std::vector<Change> changes) override {
    EXPECT_GT(replacements, 0) << "a change before the snapshot";
    std::set<records::RecordKey> keys;
    for (auto& change : changes) {
      ++change_count;
      if (auto* record = std::get_if<records::Record>(&change)) {
        EXPECT_TRUE(keys.insert(key_of(*record)).second) << "twice in one change";
        state.insert_or_assign(key_of(*record), std::move(*record));
      } else {
        const auto& key = std::get<Removal>(change).key;
        EXPECT_TRUE(keys.insert(key).second) << "twice in one change";
        EXPECT_EQ(state.erase(key), 1U) << key.name.text() << " was not there";
      }
    }
  }
  void problems(std::vector<Problem> all) override {
    standing = std::move(all);
    for (const auto& problem : standing) heard.push_back(problem.where + ": " + problem.what);
  }

  void as_of(std::optional<std::chrono::system_clock::time_point> time) override { from = time; }

  [[nodiscard]] std::set<std::string> names(records::Kind kind) const {
    std::set<std::string> all;
    for (const auto& [key, record] : state) {
      if (key.kind == kind) all.insert(key.name.text());
    }
    return all;
  }
  [[nodiscard]] std::set<std::string> services() const { return names(records::Kind::service); }
  // The cluster IP of the service, empty if there is no such service.
  [[nodiscard]] std::string address(const std::string& space, const std::string& name) const {
    const auto found = state.find({records::Kind::service, {space, name}});
    if (found == state.end()) return {};
    return std::get<records::Service>(found->second).cluster_ips.front().text();
  }
  [[nodiscard]] bool has_heard(const std::string& text) const {
    for (const auto& problem : heard) {
      if (problem.find(text) != std::string::npos) return true;
    }
    return false;
  }

  int replacements = 0;
  int change_count = 0;
  std::map<records::RecordKey, records::Record> state;
  std::vector<Problem> standing;
  std::vector<std::string> heard;
  std::optional<std::chrono::system_clock::time_point> from;
};

// Patience that tests have.
inline Timing quick() {
  using namespace std::chrono_literals;
  Timing timing;
  timing.connect = 5s;
  timing.pace = {
      .first_retry = 1ms, .longest_retry = 20ms, .relist_spread = 1ms, .longest_retry_after = 5min};
  timing.within_object = 300ms;
  timing.initial_events = 300ms;
  timing.pulse_after = 200ms;
  timing.pulse_patience = 200ms;
  timing.state_file_after = 100ms;
  timing.state_file_interval = 1ms;
  return timing;
}

class SourceTest : public testing::Test {
 protected:
  void SetUp() override {
    server.put("nodes", "node-a", node_json("node-a"));
    server.put("services", "shop/web", service_json("shop", "web"));
    server.put("endpointslices", "shop/web-abc", slice_json("shop", "web"));
  }
  void TearDown() override {
    source.reset();
    io.restart();
    io.run_for(std::chrono::milliseconds{1});
  }

  [[nodiscard]] Access access() const {
    auto read = read_kubeconfig(server.kubeconfig(token), "/");
    EXPECT_TRUE(read) << read.error();
    return *read;
  }
  void start(const std::function<void(KubernetesSource::Settings&)>& adapt = {}) {
    KubernetesSource::Settings settings;
    settings.access = access();
    settings.interests.node_name = "node-a";
    settings.timing = quick();
    if (adapt) adapt(settings);
    source.emplace(io, log, std::move(settings));
    ASSERT_TRUE(source->start(sink));
  }
  // Runs the loop until it holds; false if it does not within a time that only a failure takes.
  bool runs_until(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      io.restart();
      io.run_one_for(std::chrono::milliseconds{5});
    }
    return true;
  }
  bool is_complete() {
    return runs_until([&] { return sink.replacements == 1; });
  }
  bool is_watching(int resources = 3) {
    return runs_until([&] { return server.watches() == resources; });
  }
  // Everything that was done to the server until now has arrived: what comes last of each kind is
  // there, and gone again when it was removed.
  bool settles() {
    const auto name = "last-" + std::to_string(++settled_);
    server.put("services", "lab/" + name, service_json("lab", name));
    server.put("endpointslices", "lab/" + name + "-abc", slice_json("lab", name));
    const auto known = [&] {
      return sink.services().contains("lab/" + name) +
             sink.names(records::Kind::endpoint_slice).contains("lab/" + name + "-abc");
    };
    if (!runs_until([&] { return known() == 2; })) return false;
    server.remove("services", "lab/" + name);
    server.remove("endpointslices", "lab/" + name + "-abc");
    return runs_until([&] { return known() == 0; });
  }
  // What is known is what the server has: nothing lost, no phantoms.
  void expect_what_the_server_has() {
    const auto keys = server.keys("services");
    EXPECT_EQ(sink.services(), std::set<std::string>(keys.begin(), keys.end()));
    const auto slices = server.keys("endpointslices");
    EXPECT_EQ(sink.names(records::Kind::endpoint_slice),
              std::set<std::string>(slices.begin(), slices.end()));
  }

  fakes::ApiServer server;
  std::string token;
  boost::asio::io_context io{1};
  fakes::FakeLog log;
  RecordingSink sink;
  std::optional<KubernetesSource> source;

 private:
  int settled_ = 0;
};

}  // namespace proxy::sources::kubernetes
