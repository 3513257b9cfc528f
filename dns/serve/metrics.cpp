#include "dns/serve/metrics.hpp"

#include <functional>
#include <initializer_list>
#include <utility>

namespace dns::serve {

namespace {

using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

class Text {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    out_.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ");
    out_.append(name).append(" ").append(type).append("\n");
  }
  void sample(std::string_view name, Labels labels, const std::string& value) {
    out_.append(name);
    char before = '{';
    for (const auto& [label, text] : labels) {
      out_ += before;
      out_.append(label).append("=\"").append(text).append("\"");
      before = ',';
    }
    out_.append(before == ',' ? "} " : " ").append(value).append("\n");
  }
  void sample(std::string_view name, Labels labels, std::uint64_t value) {
    sample(name, labels, std::to_string(value));
  }
  // One figure without labels of its own.
  void single(std::string_view name, std::string_view type, std::string_view help,
              std::uint64_t value) {
    family(name, type, help);
    sample(name, {}, value);
  }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

using Sum = std::function<std::uint64_t(const Counters&)>;

class Writer {
 public:
  explicit Writer(const MetricsInput& input) : in_{input} {
    for (const auto& address : input.servers) {
      server_ += (server_.empty() ? "dns://" : ",dns://") + address.text();
    }
  }

  std::string all() {
    requests();
    responses();
    histograms();
    server_figures();
    if (in_.resolver != nullptr) forwarding();
    return text_.take();
  }

 private:
  [[nodiscard]] std::uint64_t udp_sum(const Sum& of) const {
    std::uint64_t sum = 0;
    for (const auto* counters : in_.udp) sum += of(*counters);
    return sum;
  }
  [[nodiscard]] std::uint64_t total(const Sum& of) const { return udp_sum(of) + of(in_.tcp); }

  void requests();
  void responses();
  void histograms();
  template <class Pick>
  void histogram(std::string_view name, std::string_view help, double unit, const Pick& pick);
  void server_figures();
  void forwarding();
  void upstreams();

  const MetricsInput& in_;
  std::string server_;
  Text text_;
};

void Writer::requests() {
  constexpr std::string_view kName = "coredns_dns_requests_total";
  text_.family(kName, "counter", "Counter of DNS requests made per zone, protocol and family.");
  for (const std::size_t transport : {0u, 1u}) {
    for (const std::size_t family : {0u, 1u}) {
      for (std::size_t type = 0; type <= kCountedTypes.size(); ++type) {
        const auto of = [&](const Counters& counters) {
          return counters.requests[transport][family][type].get();
        };
        const auto count = transport == 0 ? udp_sum(of) : of(in_.tcp);
        if (count == 0) continue;
        text_.sample(
            kName,
            {{"server", server_},
             {"zone", "."},
             {"view", ""},
             {"proto", transport == 0 ? "udp" : "tcp"},
             {"family", family == 0 ? "1" : "2"},
             {"type", type < kCountedTypes.size() ? type_label(kCountedTypes[type]) : "other"}},
            count);
      }
    }
  }
}

void Writer::responses() {
  constexpr std::string_view kName = "coredns_dns_responses_total";
  constexpr std::array<std::string_view, kOrigins> kPlugins{"kubernetes", "cache", "forward",
                                                            "loadshed"};
  text_.family(kName, "counter", "Counter of response status codes.");
  for (std::size_t origin = 0; origin < kOrigins; ++origin) {
    for (std::size_t rcode = 0; rcode <= kCountedRcodes.size(); ++rcode) {
      auto count = total([&](const Counters& c) { return c.responses[origin][rcode].get(); });
      if (origin == static_cast<std::size_t>(Origin::upstream) && in_.resolver != nullptr) {
        count += in_.resolver->figures().replies[rcode].get();
      }
      if (count == 0) continue;
      text_.sample(
          kName,
          {{"server", server_},
           {"zone", origin == 0 ? std::string_view{in_.domain} : "."},
           {"view", ""},
           {"rcode", rcode < kCountedRcodes.size() ? rcode_label(kCountedRcodes[rcode]) : "other"},
           {"plugin", kPlugins[origin]}},
          count);
    }
  }
}

std::string decimal(double value) {
  std::array<char, 32> buffer{};
  const int size = std::snprintf(buffer.data(), buffer.size(), "%.9g", value);
  return {buffer.data(), static_cast<std::size_t>(size)};
}

template <class Pick>
void Writer::histogram(std::string_view name, std::string_view help, double unit,
                       const Pick& pick) {
  text_.family(name, "histogram", help);
  const std::string buckets = std::string{name} + "_bucket";
  for (const std::size_t transport : {0u, 1u}) {
    const std::string_view proto = transport == 0 ? "udp" : "tcp";
    const auto sum_of = [&](const auto& of) {
      return transport == 0 ? udp_sum([&](const Counters& c) { return of(pick(c)); })
                            : of(pick(in_.tcp));
    };
    std::uint64_t below = 0;
    const auto& any = pick(in_.tcp);
    for (unsigned bucket = 0; bucket < any.kFinite; ++bucket) {
      below += sum_of([&](const auto& h) { return h.count(bucket); });
      text_.sample(buckets,
                   {{"server", server_},
                    {"zone", "."},
                    {"view", ""},
                    {"proto", proto},
                    {"le", decimal(static_cast<double>(any.bound(bucket)) * unit)}},
                   below);
    }
    below += sum_of([&](const auto& h) { return h.count(h.kFinite); });
    const Labels common{{"server", server_}, {"zone", "."}, {"view", ""}, {"proto", proto}};
    text_.sample(
        buckets,
        {{"server", server_}, {"zone", "."}, {"view", ""}, {"proto", proto}, {"le", "+Inf"}},
        below);
    const auto sum = sum_of([](const auto& h) { return h.sum(); });
    text_.sample(std::string{name} + "_sum", common, decimal(static_cast<double>(sum) * unit));
    text_.sample(std::string{name} + "_count", common, below);
  }
}

void Writer::histograms() {
  histogram("coredns_dns_request_duration_seconds",
            "Histogram of the time (in seconds) each request took.", 1e-9,
            [](const Counters& c) -> const auto& { return c.duration; });
  histogram("coredns_dns_request_size_bytes", "Size of the request in bytes.", 1,
            [](const Counters& c) -> const auto& { return c.request_size; });
  histogram("coredns_dns_response_size_bytes", "Size of the returned response in bytes.", 1,
            [](const Counters& c) -> const auto& { return c.response_size; });
}

void Writer::server_figures() {
  text_.single("coredns_dns_do_requests_total", "counter",
               "Counter of DNS requests with DO bit set per zone.",
               total([](const Counters& c) { return c.dnssec_ok_requests.get(); }));
  text_.single("coredns_autopath_success_total", "counter",
               "Counter of requests that did autopath.",
               total([](const Counters& c) { return c.autopath.get(); }));
  text_.single("viaduct_dns_short_names_total", "counter",
               "Questions answered as service.namespace, without the cluster's domain.",
               total([](const Counters& c) { return c.short_names.get(); }));
  text_.single("viaduct_dns_dropped_total", "counter", "Messages that were no queries.",
               total([](const Counters& c) { return c.dropped.get(); }));
  text_.single("viaduct_dns_rate_limited_total", "counter",
               "Replies withheld or cut short by the rate limit.",
               total([](const Counters& c) { return c.rate_limited.get(); }));
  text_.single("viaduct_dns_truncated_total", "counter", "Replies with TC set.",
               total([](const Counters& c) { return c.truncated.get(); }));
  text_.single("viaduct_dns_send_failures_total", "counter",
               "Replies that the kernel did not take.",
               total([](const Counters& c) { return c.send_failures.get(); }));
  text_.single("viaduct_dns_tcp_connections", "gauge", "Open TCP connections of clients.",
               in_.tcp_connections);
  text_.single("viaduct_dns_zone_services", "gauge", "Services that have names.",
               in_.zone.services.size());
  text_.single("viaduct_dns_zone_serial", "gauge", "Serial number of the zone's SOA record.",
               in_.zone.serial);
}

void Writer::forwarding() {
  const auto& figures = in_.resolver->figures();
  const auto& cache = in_.resolver->cache();
  const auto answered = [](const Counters& c) {
    std::uint64_t sum = 0;
    for (const auto& count : c.responses[static_cast<std::size_t>(Origin::cache)]) {
      sum += count.get();
    }
    return sum;
  };
  const auto denied = [](const Counters& c) { return c.cached_denials.get(); };
  const auto denials = total(denied);
  const auto hits = total(answered);
  text_.family("coredns_cache_hits_total", "counter", "The count of cache hits.");
  text_.sample("coredns_cache_hits_total", {{"server", server_}, {"type", "success"}},
               hits - std::min(hits, denials));
  text_.sample("coredns_cache_hits_total", {{"server", server_}, {"type", "denial"}}, denials);
  text_.single("coredns_cache_misses_total", "counter", "The count of cache misses.",
               figures.misses.get() + figures.joined.get());
  text_.single("coredns_cache_requests_total", "counter", "The count of cache requests.",
               hits + figures.misses.get() + figures.joined.get());
  text_.single("coredns_cache_prefetch_total", "counter",
               "The number of times the cache has prefetched a cached item.",
               figures.prefetches.get());
  text_.single("coredns_cache_served_stale_total", "counter",
               "The number of requests served from stale cache entries.", figures.stale.get());
  text_.single("coredns_cache_entries", "gauge", "The number of elements in the cache.",
               cache.entries());
  text_.single("coredns_cache_evictions_total", "counter", "The count of cache evictions.",
               cache.evictions());
  text_.single("viaduct_dns_cache_bytes", "gauge", "Memory of cached answers.", cache.bytes());
  text_.single("coredns_forward_max_concurrent_rejects_total", "counter",
               "Questions not forwarded because too many were on their way.",
               figures.rejected.load(std::memory_order_relaxed));
  upstreams();
}

void Writer::upstreams() {
  const auto& all = in_.resolver->upstreams();
  constexpr std::string_view kDuration = "coredns_proxy_request_duration_seconds";
  text_.family(kDuration, "histogram", "Histogram of the time each request to an upstream took.");
  for (const auto& upstream : all) {
    const auto to = upstream->address().text();
    const auto& h = upstream->figures().duration;
    std::uint64_t below = 0;
    for (unsigned bucket = 0; bucket < h.kFinite; ++bucket) {
      below += h.count(bucket);
      text_.sample(std::string{kDuration} + "_bucket",
                   {{"proxy_name", "forward"},
                    {"to", to},
                    {"le", decimal(static_cast<double>(h.bound(bucket)) * 1e-9)}},
                   below);
    }
    below += h.count(h.kFinite);
    text_.sample(std::string{kDuration} + "_bucket",
                 {{"proxy_name", "forward"}, {"to", to}, {"le", "+Inf"}}, below);
    text_.sample(std::string{kDuration} + "_sum", {{"proxy_name", "forward"}, {"to", to}},
                 decimal(static_cast<double>(h.sum()) * 1e-9));
    text_.sample(std::string{kDuration} + "_count", {{"proxy_name", "forward"}, {"to", to}}, below);
  }
  const auto each = [&](std::string_view name, std::string_view type, std::string_view help,
                        const auto& value) {
    text_.family(name, type, help);
    for (const auto& upstream : all) {
      text_.sample(name, {{"proxy_name", "forward"}, {"to", upstream->address().text()}},
                   std::uint64_t{value(upstream->figures())});
    }
  };
  each("coredns_proxy_healthcheck_failures_total", "counter",
       "Counter of the number of failed healthchecks.",
       [](const auto& figures) { return figures.probe_failures.get(); });
  each("viaduct_dns_upstream_failures_total", "counter",
       "Exchanges with an upstream that gave no usable reply.",
       [](const auto& figures) { return figures.failures.get(); });
  each("viaduct_dns_upstream_healthy", "gauge", "Whether an upstream answered lately.",
       [](const auto& figures) { return figures.healthy.load() ? 1u : 0u; });
}

}  // namespace

std::string metrics_text(const MetricsInput& input) {
  return Writer{input}.all();
}

}  // namespace dns::serve
