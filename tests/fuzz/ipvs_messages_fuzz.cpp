// Whatever the kernel is said to have answered about IPVS: reading it never leaves the bytes, and
// what was read is read again from the request that would make the same.
#include "modes/ipvs/ipvs_messages.hpp"
#include "modes/ipvs/libnl_socket.hpp"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <vector>

using namespace modes::ipvs;

namespace {

constexpr std::size_t kLongestName = 15;  // IP_VS_SCHEDNAME_MAXLEN has the final 0

void require(bool holds) {
  if (!holds) std::abort();
}

void check(const VirtualServerKey& key, const ObservedVirtualServer& server) {
  if (server.scheduler.name.size() > kLongestName) return;
  std::vector<std::byte> request;
  encode_step(AddVirtualServer{key, server.scheduler, server.persistence}, 1, 1, 0, request);
  std::optional<std::pair<VirtualServerKey, ObservedVirtualServer>> again;
  for_each_nl_message(request, [&](nlmsghdr* message) { again = parse_server(message); });
  require(again.has_value() && again->first == key);
  require(again->second.scheduler == server.scheduler &&
          again->second.persistence == server.persistence);
}

void check(const VirtualServerKey& key, const ObservedRealServer& real) {
  std::vector<std::byte> request;
  encode_step(AddRealServer{key, real.server.endpoint}, 1, 1, 0, request);
  std::optional<ObservedRealServer> again;
  for_each_nl_message(request, [&](nlmsghdr* message) {
    again = parse_real_server(key.address.family(), message);
  });
  require(again.has_value() && again->server == RealServer{real.server.endpoint});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // What recv(2) fills is aligned, and may be written to.
  std::vector<std::byte> datagram(size);
  if (size != 0) std::memcpy(datagram.data(), data, size);
  for_each_nl_message(datagram, [&](nlmsghdr* message) {
    if (const auto server = parse_server(message)) check(server->first, server->second);
    for (const auto family : proxy::kFamilies) {
      const VirtualServerKey any{proxy::IpAddress::any(family), proxy::Port{1}};
      if (const auto real = parse_real_server(family, message)) check(any, *real);
    }
  });
  return 0;
}
