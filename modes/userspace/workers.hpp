// All workers together, as the control thread sees them, and the services that they know.
#pragma once

#include "modes/mode.hpp"
#include "modes/userspace/worker.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <map>
#include <memory>
#include <mutex>
#include <span>

namespace modes::userspace {

// What the workers were told: the services, and the changes that lead to others.
class Services {
 public:
  explicit Services(std::shared_ptr<const Settings> settings) : settings_{std::move(settings)} {}

  // The changes to what `wanted` says; they count as made.
  [[nodiscard]] Worker::Changes changes_to_all(const ServiceTable& wanted);
  [[nodiscard]] Worker::Changes changes_to(const ServiceTable& wanted,
                                           std::span<const ServicePortName> names);

  struct Known {
    ServicePort port;
    ServicePtr service;
    std::chrono::system_clock::time_point since;  // when the service port came
  };
  // Null if the workers have no such service.
  [[nodiscard]] const Known* find(const ServicePortName& name) const {
    const auto it = known_.find(name);
    return it == known_.end() ? nullptr : &it->second;
  }

 private:
  void change(const ServiceTable& wanted, const ServicePortName& name,
              std::vector<DirectoryChange>& out);

  std::shared_ptr<const Settings> settings_;
  std::map<ServicePortName, Known> known_;
};

class Workers {
 public:
  using PortsByFamily = std::array<steering::Ports, proxy::kFamilies.size()>;

  // With listeners for steered traffic, if the settings say so. `warn` is called on `executor`.
  [[nodiscard]] static Result<std::unique_ptr<Workers>> start(
      boost::asio::any_io_executor executor, std::shared_ptr<const Settings> settings,
      std::function<void(std::string)> warn);

  [[nodiscard]] const PortsByFamily& ports() const { return ports_; }

  // Complete when all workers know.
  [[nodiscard]] Awaitable<void> put(Worker::Changes changes);
  [[nodiscard]] Awaitable<void> drop(Worker::Changes changes);
  // One list for each worker.
  [[nodiscard]] Awaitable<void> add_listeners(ListenersOfWorkers listeners);
  [[nodiscard]] Awaitable<void> remove_listeners(std::vector<Vip> at);
  // Accepts nothing more, and completes when all connections have ended or the time is over.
  [[nodiscard]] Awaitable<void> drain(std::chrono::seconds limit);

  // The listening sockets, each once. Asks the workers and waits for them, as figures() does.
  [[nodiscard]] std::vector<int> sockets() const;

  // As Mode::traffic(); nothing is known of what is not among `services`.
  [[nodiscard]] Awaitable<std::vector<Traffic>> traffic(const Services& services,
                                                        std::span<const ServicePortName> names);

  // As of now; asks the workers and waits for them, who answer at once.
  [[nodiscard]] std::vector<Mode::Figure> figures() const;

 private:
  Workers(boost::asio::any_io_executor executor, std::shared_ptr<const Settings> settings,
          std::int64_t descriptors)
      : executor_{std::move(executor)}, settings_{std::move(settings)}, descriptors_{descriptors} {}

  // Completes when `tell` was done by every worker.
  Awaitable<void> all(std::function<void(Worker&, Worker::Done)> tell);
  // The sums over all workers.
  Awaitable<std::vector<ServiceTally>> tallies(Worker::ServicesAsked services);
  [[nodiscard]] std::vector<WorkerFigures> ask() const;

  boost::asio::any_io_executor executor_;
  std::shared_ptr<const Settings> settings_;
  Descriptors descriptors_;
  PortsByFamily ports_{};
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace modes::userspace
