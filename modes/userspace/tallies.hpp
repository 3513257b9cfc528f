// What one worker has carried, by service port and endpoint.
//
// All of it belongs to the worker's thread: to count is to add to a number, without locks and
// atomics; who wants to know asks every worker by a message and adds up. A service port costs
// nothing before its first connection.
#pragma once

#include "modes/userspace/service.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

namespace modes::userspace {

// As modes::TrafficCounts, of which this mode knows all.
struct Tally {
  std::uint64_t connections = 0;
  std::uint64_t open = 0;
  std::uint64_t refused = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;

  Tally& operator+=(const Tally& other) {
    connections += other.connections;
    open += other.open;
    refused += other.refused;
    bytes_in += other.bytes_in;
    bytes_out += other.bytes_out;
    return *this;
  }
  friend bool operator==(const Tally&, const Tally&) = default;
};

struct ServiceTally {
  Tally total;
  std::vector<std::pair<Endpoint, Tally>> endpoints;  // sorted
};

// A connection with an endpoint: counts for it as long as it is open.
class Share {
 public:
  Share() = default;
  Share(Share&& other) noexcept : tally_{std::exchange(other.tally_, nullptr)} {}
  Share& operator=(Share&& other) noexcept {
    if (tally_ != nullptr) --tally_->open;
    tally_ = std::exchange(other.tally_, nullptr);
    return *this;
  }
  ~Share() {
    if (tally_ != nullptr) --tally_->open;
  }

  // Requires that it was not made by default.
  void received_from_client(std::uint64_t bytes) { tally_->bytes_in += bytes; }
  void received_from_endpoint(std::uint64_t bytes) { tally_->bytes_out += bytes; }

 private:
  friend class Tallies;
  explicit Share(Tally& tally) : tally_{&tally} {
    ++tally.connections;
    ++tally.open;
  }
  Tally* tally_ = nullptr;
};

class Tallies {
 private:
  struct OfService;

 public:
  // A connection that has begun and is not with an endpoint yet.
  class Attempt {
   public:
    Attempt() = default;
    Attempt(Attempt&& other) noexcept : of_{std::exchange(other.of_, nullptr)} {}
    Attempt& operator=(Attempt&& other) noexcept {
      std::swap(of_, other.of_);
      return *this;
    }
    ~Attempt();

    void missed(const Endpoint& endpoint);  // it refused, or was silent
    [[nodiscard]] Share connected(const Endpoint& endpoint);
    void refuse();  // no endpoint took it

   private:
    friend class Tallies;
    explicit Attempt(OfService& of);
    OfService* of_ = nullptr;
  };

  Tallies();
  ~Tallies();
  Tallies(const Tallies&) = delete;
  Tallies& operator=(const Tallies&) = delete;

  [[nodiscard]] Attempt begin(const Service& service);
  void refused_datagrams(const Service& service, std::uint64_t count);
  // For a connection that has to leave its endpoint for another of `service`.
  [[nodiscard]] Share move(const Service& service, const Endpoint& to);
  void missed(const Service& service, const Endpoint& endpoint);

  // `service` is not the worker's any more; what takes its place, null: nothing does. Of endpoints
  // that are no more only the sum is kept, of service ports that are no more nothing.
  void replace(const Service& service, const Service* by);

  [[nodiscard]] ServiceTally of(const Service& service) const;
  [[nodiscard]] std::size_t size() const { return services_.size() + lingering_.size(); }

 private:
  [[nodiscard]] OfService& at(const Service& service);
  void sweep();

  std::unordered_map<const ServicePortName*, std::unique_ptr<OfService>> services_;
  std::vector<std::unique_ptr<OfService>> lingering_;  // gone, but for connections that go on
};

}  // namespace modes::userspace
