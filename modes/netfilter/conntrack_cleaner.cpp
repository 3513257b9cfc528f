#include "modes/netfilter/conntrack_cleaner.hpp"

#include "modes/netfilter/walk_ration.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>

namespace modes::netfilter {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

// Of everything since the start; buckets as kube-proxy's.
class Totals {
 public:
  void add(const ConntrackCleaner::Report& report) {
    const double seconds = report.took.count();
    durations_.sum += seconds;
    ++durations_.count;
    for (auto& [bound, count] : durations_.up_to) count += seconds <= bound ? 1 : 0;
    if (!report.outcome) return;
    for (std::size_t i = 0; i < deleted_.size(); ++i) deleted_[i] += report.outcome->deleted[i];
  }
  [[nodiscard]] std::vector<Mode::Figure> figures() const {
    std::vector<Mode::Figure> figures;
    for (const auto family : proxy::kFamilies) {
      figures.push_back({"kubeproxy_conntrack_reconciler_deleted_entries_total",
                         {{"ip_family", std::string{to_string(family)}}},
                         static_cast<double>(deleted_[static_cast<std::size_t>(family)])});
    }
    // One walk is for both families.
    for (const auto family : proxy::kFamilies) {
      figures.push_back({"kubeproxy_conntrack_reconciler_sync_duration_seconds",
                         {{"ip_family", std::string{to_string(family)}}},
                         0,
                         durations_});
    }
    return figures;
  }

 private:
  static Mode::Histogram empty() {
    Mode::Histogram histogram;
    for (double bound = 0.001; histogram.up_to.size() < 15; bound *= 2) {
      histogram.up_to.emplace_back(bound, 0);
    }
    return histogram;
  }

  std::array<std::size_t, proxy::kFamilies.size()> deleted_{};
  Mode::Histogram durations_ = empty();
};

}  // namespace

struct ConntrackCleaner::Work {
  Work(asio::any_io_executor executor, Hooks given, ConntrackNetlink socket)
      : control{std::move(executor)},
        hooks{std::move(given)},
        netlink{std::move(socket)},
        timer{control} {}

  // Until nothing is owed.
  static asio::awaitable<void> pay(std::shared_ptr<Work> work);
  // On the walking thread. Rules and addresses are its own; the endpoint lists in them are shared,
  // but nobody ever changes one.
  static asio::awaitable<Report> clean(ConntrackNetlink& netlink, std::vector<ConntrackRule> rules,
                                       std::vector<IpAddress> node_addresses, std::size_t budget);

  asio::any_io_executor control;
  Hooks hooks;
  ConntrackLedger ledger;
  ConntrackNetlink netlink;  // used on `walker` while a cleanup is under way, else by nobody
  asio::steady_timer timer;
  WalkRation ration;
  Totals totals;
  bool running = false;  // pay()
  bool stopped = false;
  asio::thread_pool walker{1};
};

asio::awaitable<void> ConntrackCleaner::Work::pay(std::shared_ptr<Work> work) {
  while (!work->stopped && work->ledger.owes()) {
    if (work->ration.open_from() > Clock::now()) {
      work->timer.expires_at(work->ration.open_from());
      co_await work->timer.async_wait(asio::as_tuple(asio::use_awaitable));
      continue;
    }
    const auto report = co_await asio::co_spawn(
        work->walker,
        clean(work->netlink, work->ledger.take(), work->hooks.node_addresses(),
              work->ration.left(Clock::now())),
        asio::use_awaitable);
    if (work->stopped) co_return;
    work->ration.spend(report.outcome ? report.outcome->walks : 1, Clock::now());
    if (report.outcome) {
      work->ledger.paid();
    } else {
      work->ledger.not_paid();
    }
    work->totals.add(report);
    work->hooks.report(report);
  }
  work->running = false;
}

asio::awaitable<ConntrackCleaner::Report> ConntrackCleaner::Work::clean(
    ConntrackNetlink& netlink, std::vector<ConntrackRule> rules,
    std::vector<IpAddress> node_addresses, std::size_t budget) {
  const auto begin = Clock::now();
  auto outcome = netlink.remove_stale(rules, node_addresses, budget);
  co_return Report{std::move(outcome), Clock::now() - begin};
}

std::function<void(const ConntrackCleaner::Report&)> ConntrackCleaner::failures_to(
    std::function<void(const std::string&)> tell) {
  return [tell = std::move(tell), told = std::string{}](const Report& report) mutable {
    auto text = report.outcome ? std::string{} : report.outcome.error().text();
    if (text != told && !text.empty()) {
      tell("UDP clients of endpoints that are gone may go unanswered until this succeeds: " + text);
    }
    told = std::move(text);
  };
}

Result<std::unique_ptr<ConntrackCleaner>> ConntrackCleaner::open(asio::any_io_executor control,
                                                                 Hooks hooks) {
  auto netlink = ConntrackNetlink::open();
  if (!netlink) return netlink.error();
  auto work = std::make_shared<Work>(std::move(control), std::move(hooks), std::move(*netlink));
  return std::unique_ptr<ConntrackCleaner>{new ConntrackCleaner{std::move(work)}};
}

ConntrackCleaner::~ConntrackCleaner() {
  work_->stopped = true;
  work_->timer.cancel();
  work_->walker.join();
}

ConntrackCleaner::ConntrackCleaner(std::shared_ptr<Work> work) : work_{std::move(work)} {}

void ConntrackCleaner::note(const ServiceTable& table, std::span<const ServicePortName> changed) {
  work_->ledger.note(table, changed);
}

void ConntrackCleaner::note_all(const ServiceTable& table) {
  work_->ledger.note_all(table);
}

std::vector<Mode::Figure> ConntrackCleaner::figures() const {
  return work_->totals.figures();
}

void ConntrackCleaner::written() {
  work_->ledger.written();
  if (work_->running || !work_->ledger.owes()) return;
  work_->running = true;
  asio::co_spawn(work_->control, Work::pay(work_), [](const std::exception_ptr& failure) {
    if (failure) std::rethrow_exception(failure);
  });
}

}  // namespace modes::netfilter
