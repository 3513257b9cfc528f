// Answers what is outside the cluster: from the cache at once, else by asking upstreams, once for
// all clients that ask the same at the same time.
//
// Runs on one io_context (the service thread); look_up() and ask() are called by workers, too.
#pragma once

#include "dns/forward/cache.hpp"
#include "dns/forward/options.hpp"
#include "dns/forward/upstream.hpp"
#include "dns/serve/outside.hpp"
#include "dns/serve/shared.hpp"
#include "proxy/log.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <string>
#include <vector>

namespace dns::forward {

struct ResolverFigures {
  serve::Count misses;      // questions that upstreams were asked
  serve::Count joined;      // questions that another client was already waiting for
  serve::Count prefetches;  // answers fetched again before their time was up
  serve::Count stale;       // answers given past their time
  std::array<serve::Count, serve::kCountedRcodes.size() + 1> replies;  // to clients that waited
  std::atomic<std::uint64_t> rejected{0};  // questions that were too many
};

class Resolver : public serve::Outside {
 public:
  // `shared` as for workers; its `outside` is not used. `reader` is the service thread's.
  Resolver(asio::any_io_executor executor, Options options, const serve::Shared& shared,
           Epochs& epochs, Epochs::Reader& reader, std::uint64_t seed, proxy::Log& log);
  ~Resolver() override;

  // On the service thread.
  void start();  // looks for loops
  void stop();   // gives up what is being asked

  Hit look_up(Exchange& exchange, std::int64_t now) override;
  bool ask(const Exchange& exchange, const Asking& asking,
           const serve::UdpQuestion& question) override;
  bool ask(const Exchange& exchange, const Asking& asking, Bytes query,
           std::function<void(Bytes reply)> done) override;

  // Clients whose questions are on their way; from any thread.
  [[nodiscard]] std::size_t waiting() const;
  [[nodiscard]] const ResolverFigures& figures() const;
  [[nodiscard]] const Cache& cache() const;
  [[nodiscard]] const std::vector<std::shared_ptr<Upstream>>& upstreams() const;  // all groups'

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace dns::forward
