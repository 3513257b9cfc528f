// The figures that /metrics shows, by kube-proxy's names where it has one
// ("metrics" in tests/conformance/naming.yaml), else viaduct_….
//
// Counts what it is told; computes nothing about forwarding itself. One thread.
#pragma once

#include "modes/mode.hpp"
#include "proxy/ip_address.hpp"
#include "proxy/status/no_local_endpoints.hpp"
#include "proxy/status/process_figures.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxy::status {

// What holds at the moment of a scrape and is not counted as it happens.
struct MomentaryFigures {
  NoLocalEndpoints no_local_endpoints;
  std::size_t service_ports = 0;
  std::size_t endpoints = 0;
  std::size_t set_aside = 0;
  std::size_t record_problems = 0;
  std::vector<modes::Mode::Figure> mode;
  std::optional<ProcessFigures> process;
};

enum class SyncKind : std::uint8_t { full, partial };

class Metrics {
 public:
  using Time = std::chrono::system_clock::time_point;
  using Seconds = std::chrono::duration<double>;

  // `version` and `mode` as labels of viaduct_build_info.
  Metrics(std::string_view version, std::string_view mode);
  ~Metrics();

  void service_changes(std::size_t count);   // Service records that came
  void endpoint_changes(std::size_t count);  // EndpointSlice and Endpoints records that came
  void queued(Time at);
  // `cause` as in sync::to_string.
  void sync_succeeded(SyncKind kind, std::string_view cause, Seconds duration, Time at);
  void sync_failed(SyncKind kind, std::string_view cause);
  void programmed(Family family, Seconds latency);
  void outside_change();
  // What a sync gave the kernel, and whether it put right what had gone wrong there.
  void wrote(std::size_t transactions, std::size_t operations);
  void repaired();
  // A request to the API server; `code` as HTTP has it, or "<error>" where none came.
  void api_request(std::string_view host, std::string_view code);
  void answered_healthz(unsigned code);
  void answered_livez(unsigned code);

  // Prometheus' text format, version 0.0.4.
  [[nodiscard]] std::string text(const MomentaryFigures& now) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace proxy::status
