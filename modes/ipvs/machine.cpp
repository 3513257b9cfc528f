#include "modes/ipvs/machine.hpp"

#include <sys/utsname.h>

#include <charconv>

namespace modes::ipvs {
namespace {

// "6.1.0-56-amd64" → {6, 1}; {0, 0} for anything else.
std::pair<int, int> version_of(std::string_view release) {
  std::pair<int, int> out{0, 0};
  const auto* end = release.data() + release.size();
  const auto major = std::from_chars(release.data(), end, out.first);
  if (major.ec != std::errc{} || major.ptr == end || *major.ptr != '.') return {0, 0};
  if (std::from_chars(major.ptr + 1, end, out.second).ec != std::errc{}) return {0, 0};
  return out;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> kernel_parameters(const Settings& settings,
                                                                   std::string_view release) {
  // A new connection from a port that an old one used goes to a new real server. Before Linux 5.9
  // that cost each such connection a second, and to forbid it sent them to real servers that are
  // gone: the lesser evil there.
  const bool reuse_works = version_of(release) >= std::pair{5, 9};
  std::vector<std::pair<std::string, std::string>> out{
      {"net/ipv4/vs/conntrack", "1"},  // netfilter sees the connections, and can masquerade them
      {"net/ipv4/vs/conn_reuse_mode", reuse_works ? "1" : "0"},
      {"net/ipv4/vs/expire_nodest_conn", "1"},
      {"net/ipv4/vs/expire_quiescent_template", "1"},
      {"net/ipv4/ip_forward", "1"}};
  if (settings.strict_arp) {
    out.emplace_back("net/ipv4/conf/all/arp_ignore", "1");
    out.emplace_back("net/ipv4/conf/all/arp_announce", "2");
  }
  return out;
}

std::string kernel_release() {
  utsname name{};
  return ::uname(&name) == 0 ? std::string{name.release} : std::string{};
}

}  // namespace modes::ipvs
