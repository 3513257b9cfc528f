#include "proxy/status/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <sstream>

namespace proxy::status {
namespace {

namespace prom = prometheus;
using Labels = prom::Labels;

// 0.001 s, doubling, 15 of them.
prom::Histogram::BucketBoundaries sync_buckets() {
  prom::Histogram::BucketBoundaries bounds;
  for (double bound = 0.001; bounds.size() < 15; bound *= 2) bounds.push_back(bound);
  return bounds;
}

prom::Histogram::BucketBoundaries programming_buckets() {
  prom::Histogram::BucketBoundaries bounds{0.25, 0.5};
  for (int s = 1; s < 60; ++s) bounds.push_back(s);
  for (int s = 60; s < 120; s += 5) bounds.push_back(s);
  for (int s = 120; s <= 300; s += 30) bounds.push_back(s);
  return bounds;
}

std::string family_label(Family family) {
  return std::string{to_string(family)};
}

double seconds_since_epoch(Metrics::Time time) {
  return std::chrono::duration<double>{time.time_since_epoch()}.count();
}

// Names that end in _total although what they show goes up and down.
bool is_counter(std::string_view name) {
  constexpr std::array<std::string_view, 2> kGauges{
      "kubeproxy_sync_proxy_rules_iptables_total",
      "kubeproxy_sync_proxy_rules_no_local_endpoints_total"};
  return name.ends_with("_total") && std::ranges::find(kGauges, name) == kGauges.end();
}

prom::MetricType type_of(const modes::Mode::Figure& figure) {
  if (figure.histogram) return prom::MetricType::Histogram;
  return is_counter(figure.name) ? prom::MetricType::Counter : prom::MetricType::Gauge;
}

void set_value(prom::ClientMetric& metric, const modes::Mode::Figure& figure) {
  switch (type_of(figure)) {
    case prom::MetricType::Histogram:
      metric.histogram.sample_sum = figure.histogram->sum;
      metric.histogram.sample_count = figure.histogram->count;
      for (const auto& [bound, count] : figure.histogram->up_to) {
        metric.histogram.bucket.push_back({.cumulative_count = count, .upper_bound = bound});
      }
      break;
    case prom::MetricType::Counter:
      metric.counter.value = figure.value;
      break;
    default:
      metric.gauge.value = figure.value;
      break;
  }
}

void add_figures(std::vector<prom::MetricFamily>& families,
                 const std::vector<modes::Mode::Figure>& figures) {
  for (const auto& figure : figures) {
    auto family = std::ranges::find(families, figure.name, &prom::MetricFamily::name);
    if (family == families.end()) {
      prom::MetricFamily fresh;
      fresh.name = figure.name;
      fresh.type = type_of(figure);
      family = families.insert(families.end(), std::move(fresh));
    }
    prom::ClientMetric metric;
    for (const auto& [name, value] : figure.labels) metric.label.push_back({name, value});
    set_value(metric, figure);
    family->metric.push_back(std::move(metric));
  }
}

std::vector<modes::Mode::Figure> figures_of(const MomentaryFigures& now) {
  std::vector<modes::Mode::Figure> figures{
      {"viaduct_service_ports", {}, static_cast<double>(now.service_ports)},
      {"viaduct_endpoints", {}, static_cast<double>(now.endpoints)},
      {"viaduct_set_aside_service_ports", {}, static_cast<double>(now.set_aside)},
      {"viaduct_record_problems", {}, static_cast<double>(now.record_problems)},
  };
  for (const auto family : kFamilies) {
    const auto count = now.no_local_endpoints.of(family);
    for (const auto& [policy, value] :
         {std::pair{"internal", count.internal}, std::pair{"external", count.external}}) {
      figures.push_back({"kubeproxy_sync_proxy_rules_no_local_endpoints_total",
                         {{"ip_family", family_label(family)}, {"traffic_policy", policy}},
                         static_cast<double>(value)});
    }
  }
  if (now.process) {
    figures.push_back({"process_cpu_seconds_total", {}, now.process->cpu_seconds});
    figures.push_back({"process_resident_memory_bytes", {}, now.process->resident_bytes});
    figures.push_back({"process_virtual_memory_bytes", {}, now.process->virtual_bytes});
    figures.push_back({"process_start_time_seconds", {}, now.process->start_time});
    figures.push_back({"process_open_fds", {}, now.process->open_fds});
    figures.push_back({"process_max_fds", {}, now.process->max_fds});
  }
  return figures;
}

}  // namespace

struct Metrics::Impl {
  prom::Family<prom::Counter>& counters(const char* name, const char* help) {
    return prom::BuildCounter().Name(name).Help(help).Register(registry);
  }
  prom::Family<prom::Gauge>& gauges(const char* name, const char* help) {
    return prom::BuildGauge().Name(name).Help(help).Register(registry);
  }

  // A metric for each family, the key of kube-proxy's per-family series. Our syncs write both.
  template <class Metric>
  struct PerFamily {
    std::array<Metric*, 2> of;
    Metric& operator[](Family f) const { return *of[static_cast<std::size_t>(f)]; }
  };
  PerFamily<prom::Gauge> gauge_per_family(const char* name, const char* help) {
    auto& all = gauges(name, help);
    return {{&all.Add({{"ip_family", family_label(Family::v4)}}),
             &all.Add({{"ip_family", family_label(Family::v6)}})}};
  }
  PerFamily<prom::Counter> counter_per_family(const char* name, const char* help) {
    auto& all = counters(name, help);
    return {{&all.Add({{"ip_family", family_label(Family::v4)}}),
             &all.Add({{"ip_family", family_label(Family::v6)}})}};
  }
  PerFamily<prom::Histogram> histogram_per_family(const char* name, const char* help,
                                                  const prom::Histogram::BucketBoundaries& bounds) {
    auto& all = prom::BuildHistogram().Name(name).Help(help).Register(registry);
    return {{&all.Add({{"ip_family", family_label(Family::v4)}}, bounds),
             &all.Add({{"ip_family", family_label(Family::v6)}}, bounds)}};
  }

  prom::Registry registry;

  PerFamily<prom::Histogram> sync_duration =
      histogram_per_family("kubeproxy_sync_proxy_rules_duration_seconds",
                           "Duration of syncs that succeeded", sync_buckets());
  PerFamily<prom::Histogram> full_duration =
      histogram_per_family("kubeproxy_sync_full_proxy_rules_duration_seconds",
                           "Duration of reconciles that succeeded", sync_buckets());
  PerFamily<prom::Histogram> partial_duration =
      histogram_per_family("kubeproxy_sync_partial_proxy_rules_duration_seconds",
                           "Duration of syncs of what had changed that succeeded", sync_buckets());
  PerFamily<prom::Histogram> programming_duration = histogram_per_family(
      "kubeproxy_network_programming_duration_seconds",
      "Time from what caused a change of endpoints until it was in force", programming_buckets());
  PerFamily<prom::Gauge> last_queued = gauge_per_family(
      "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds", "When a change was last queued");
  PerFamily<prom::Gauge> last_sync = gauge_per_family(
      "kubeproxy_sync_proxy_rules_last_timestamp_seconds", "When a sync last succeeded");
  PerFamily<prom::Counter> failures = counter_per_family(
      "kubeproxy_sync_proxy_rules_iptables_restore_failures_total", "Syncs that failed");
  PerFamily<prom::Counter> partial_failures =
      counter_per_family("kubeproxy_sync_proxy_rules_iptables_partial_restore_failures_total",
                         "Syncs of what had changed that failed");
  prom::Gauge& services_pending = gauges("kubeproxy_sync_proxy_rules_service_changes_pending",
                                         "Changed Services that no sync has taken up")
                                      .Add({});
  prom::Counter& services_total =
      counters("kubeproxy_sync_proxy_rules_service_changes_total", "Changed Services").Add({});
  prom::Gauge& endpoints_pending = gauges("kubeproxy_sync_proxy_rules_endpoint_changes_pending",
                                          "Changed endpoint records that no sync has taken up")
                                       .Add({});
  prom::Counter& endpoints_total =
      counters("kubeproxy_sync_proxy_rules_endpoint_changes_total", "Changed endpoint records")
          .Add({});
  prom::Family<prom::Counter>& healthz =
      counters("kubeproxy_proxy_healthz_total", "Answers of /healthz by status code");
  prom::Family<prom::Counter>& livez =
      counters("kubeproxy_proxy_livez_total", "Answers of /livez by status code");
  prom::Family<prom::Counter>& syncs =
      counters("viaduct_syncs_total", "Syncs by what caused them and how they ended");
  prom::Counter& outside_changes =
      counters("viaduct_outside_changes_total",
               "Times that somebody else changed what this proxy had written")
          .Add({});
  prom::Counter& repairs =
      counters("viaduct_repairs_total",
               "Syncs that found differences to what was written, and mended them")
          .Add({});
  prom::Counter& transactions =
      counters("viaduct_transactions_total", "Transactions that the kernel has committed").Add({});
  prom::Counter& operations =
      counters("viaduct_operations_total", "Operations in these transactions").Add({});
  prom::Family<prom::Counter>& api_requests =
      counters("rest_client_requests_total", "Requests to the API server by host and status code");
};

Metrics::Metrics(std::string_view version, std::string_view mode)
    : impl_{std::make_unique<Impl>()} {
  impl_->gauges("viaduct_build_info", "Always 1; version and mode are labels")
      .Add({{"version", std::string{version}}, {"mode", std::string{mode}}})
      .Set(1);
  // Series exist from the start, so that a rate over the first event is not lost.
  for (auto* family : {&impl_->healthz, &impl_->livez}) {
    family->Add({{"code", "200"}});
    family->Add({{"code", "503"}});
  }
}

Metrics::~Metrics() = default;

void Metrics::service_changes(std::size_t count) {
  impl_->services_pending.Increment(static_cast<double>(count));
  impl_->services_total.Increment(static_cast<double>(count));
}

void Metrics::endpoint_changes(std::size_t count) {
  impl_->endpoints_pending.Increment(static_cast<double>(count));
  impl_->endpoints_total.Increment(static_cast<double>(count));
}

void Metrics::queued(Time at) {
  for (const auto family : kFamilies) impl_->last_queued[family].Set(seconds_since_epoch(at));
}

void Metrics::sync_succeeded(SyncKind kind, std::string_view cause, Seconds duration, Time at) {
  impl_->services_pending.Set(0);
  impl_->endpoints_pending.Set(0);
  impl_->syncs.Add({{"cause", std::string{cause}}, {"result", "success"}}).Increment();
  const auto& by_kind = kind == SyncKind::full ? impl_->full_duration : impl_->partial_duration;
  for (const auto family : kFamilies) {
    impl_->sync_duration[family].Observe(duration.count());
    by_kind[family].Observe(duration.count());
    impl_->last_sync[family].Set(seconds_since_epoch(at));
  }
}

void Metrics::sync_failed(SyncKind kind, std::string_view cause) {
  impl_->syncs.Add({{"cause", std::string{cause}}, {"result", "failure"}}).Increment();
  for (const auto family : kFamilies) {
    impl_->failures[family].Increment();
    if (kind == SyncKind::partial) impl_->partial_failures[family].Increment();
  }
}

void Metrics::programmed(Family family, Seconds latency) {
  impl_->programming_duration[family].Observe(latency.count());
}

void Metrics::outside_change() {
  impl_->outside_changes.Increment();
}

void Metrics::wrote(std::size_t transactions, std::size_t operations) {
  impl_->transactions.Increment(static_cast<double>(transactions));
  impl_->operations.Increment(static_cast<double>(operations));
}

void Metrics::repaired() {
  impl_->repairs.Increment();
}

void Metrics::api_request(std::string_view host, std::string_view code) {
  impl_->api_requests
      .Add({{"code", std::string{code}}, {"host", std::string{host}}, {"method", "GET"}})
      .Increment();
}

void Metrics::answered_healthz(unsigned code) {
  impl_->healthz.Add({{"code", std::to_string(code)}}).Increment();
}

void Metrics::answered_livez(unsigned code) {
  impl_->livez.Add({{"code", std::to_string(code)}}).Increment();
}

std::string Metrics::text(const MomentaryFigures& now) const {
  auto families = impl_->registry.Collect();
  add_figures(families, figures_of(now));
  add_figures(families, now.mode);
  std::ostringstream out;
  prom::TextSerializer{}.Serialize(out, families);
  return out.str();
}

}  // namespace proxy::status
