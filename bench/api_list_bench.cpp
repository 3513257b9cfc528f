// What it costs to list a whole cluster from the API server: bytes of the streaming list to
// objects, records, and the table of what is forwarded.
//
//   api_list_bench [SERVICES]
//
// Input: SERVICES (30,000) services with an EndpointSlice of 10 endpoints each, with managed
// fields, as watch events, read from a memory file in pieces of 64 kB. One core; no network and no
// TLS. Peak memory is the kernel's (VmHWM), what is kept is the heap's afterwards.
#include "bench/api_objects.hpp"
#include "bench/report.hpp"
#include "bench/synthetic_cluster.hpp"
#include "proxy/records/decode.hpp"
#include "proxy/sources/kubernetes/json_stream.hpp"
#include "proxy/sources/kubernetes/record_store.hpp"
#include "proxy/sources/kubernetes/resource.hpp"
#include "proxy/sources/kubernetes/watch_event.hpp"
#include "proxy/state/service_table.hpp"
#include "proxy/unique_fd.hpp"

#include <fmt/format.h>

#include <malloc.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <string>

namespace {

using namespace proxy;
using namespace proxy::sources::kubernetes;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}
// Of this process: what it takes on a machine that has nothing else to do.
double cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}
double heap_megabytes() {
  const auto info = mallinfo2();
  return static_cast<double>(info.uordblks + info.hblkhd) / 1e6;
}
double status_megabytes(const std::string& key) {
  std::ifstream status{"/proc/self/status"};
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key)) return std::stod(line.substr(key.size() + 1)) * 1024 / 1e6;
  }
  return 0;
}

void write_all(int fd, const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto written = ::write(fd, text.data() + at, text.size() - at);
    if (written < 0) std::abort();
    at += static_cast<std::size_t>(written);
  }
}

// The streaming list of one resource.
UniqueFd events_of(int count, std::string (*object)(int)) {
  UniqueFd file{::memfd_create("list", MFD_CLOEXEC)};
  for (int i = 0; i < count; ++i) {
    auto json = object(i);
    json.insert(json.find("{\"name") + 1, fmt::format(R"("resourceVersion":"{}",)", 1000 + i));
    write_all(file.get(), R"({"type":"ADDED","object":)" + json + "}\n");
  }
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

double size_of(const UniqueFd& file) {
  struct stat status {};
  ::fstat(file.get(), &status);
  return static_cast<double>(status.st_size) / 1e6;
}

void take_in(const UniqueFd& file, records::Kind kind, records::Decoder& decoder,
             RecordStore& store) {
  ValueStream stream;
  const auto type = resource_of(kind).type();
  store.begin_list();
  static std::array<char, 65536> buffer;
  while (true) {
    const auto got = ::read(file.get(), buffer.data(), buffer.size());
    if (got <= 0) break;
    const auto good = stream.feed({buffer.data(), static_cast<std::size_t>(got)}, [&](auto text) {
      const auto event = cut_event(text);
      if (!event) std::abort();
      store.list_item(decoder.decode_object(event->object, type));
    });
    if (!good) std::abort();
  }
  store.end_list();
}

}  // namespace

int main(int argc, char** argv) {
  const int count = argc > 1 ? std::atoi(argv[1]) : 30'000;
  const auto services = events_of(count, bench::service_json);
  const auto slices = events_of(count, [](int number) { return bench::slice_json(number); });
  const auto text = size_of(services) + size_of(slices);
  malloc_trim(0);
  const auto heap_before = heap_megabytes();
  const auto rss_before = status_megabytes("VmRSS:");
  std::ofstream{"/proc/self/clear_refs"} << "5";  // forget the peak so far

  const auto begin = Clock::now();
  const auto cpu_before = cpu_seconds();
  records::Decoder decoder;
  records::BinaryReader reader;
  RecordStore service_store{records::Kind::service, reader};
  RecordStore slice_store{records::Kind::endpoint_slice, reader};
  take_in(services, records::Kind::service, decoder, service_store);
  take_in(slices, records::Kind::endpoint_slice, decoder, slice_store);
  const auto decoded = seconds_since(begin);
  const auto decoded_cpu = cpu_seconds() - cpu_before;
  const auto stores = heap_megabytes() - heap_before;

  state::ServiceTable table{{.name = "node-0"}};
  {
    std::vector<records::Record> all;
    service_store.append_all(all);
    slice_store.append_all(all);
    table.replace(std::move(all));
  }
  const auto total = seconds_since(begin);
  const auto total_cpu = cpu_seconds() - cpu_before;
  const auto kept = heap_megabytes() - heap_before;
  const auto peak = status_megabytes("VmHWM:") - rss_before;

  fmt::print("{} services x {} endpoints, {:.0f} MB of JSON\n", count, bench::kEndpointsPerService,
             text);
  fmt::print("decoded       {:6.2f} s of CPU, {:6.1f} MB/s; {:.2f} s wall\n", decoded_cpu,
             text / decoded_cpu, decoded);
  fmt::print(
      "and in state  {:6.2f} s of CPU, {:6.1f} MB/s; {:.2f} s wall ({} service ports, {} "
      "endpoints)\n",
      total_cpu, text / total_cpu, total, table.size(), table.endpoint_count());
  fmt::print("kept          {:6.1f} MB (of which records as bytes {:.1f} MB)\n", kept, stores);
  fmt::print("peak          {:6.1f} MB, {:.2f} of what is kept\n", peak, peak / kept);
  bench::figure("text_mb", text);
  bench::figure("decoded.cpu_s", decoded_cpu);
  bench::figure("in_state.cpu_s", total_cpu);
  bench::figure("in_state.wall_s", total);
  bench::figure("kept_mb", kept);
  bench::figure("peak_mb", peak);
  return 0;
}
