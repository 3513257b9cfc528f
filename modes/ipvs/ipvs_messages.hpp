// IPVS' generic netlink messages (linux/ip_vs.h IPVS_CMD_*, IPVS_SVC_ATTR_*, IPVS_DEST_ATTR_*):
// addresses are 16 bytes, those of IPv4 in the first 4; ports are big-endian, all else host order.
#pragma once

#include "modes/ipvs/ipvs_kernel.hpp"

#include <netlink/attr.h>
#include <netlink/msg.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace modes::ipvs {

// Appends one message. `family` is the number that the kernel gave to the family "IPVS".
void encode_step(const Step& step, int family, std::uint32_t sequence, int flags,
                 std::vector<std::byte>& out);
// IPVS_CMD_GET_SERVICE, a dump of all; and IPVS_CMD_GET_DEST, one of a virtual server's real ones.
void encode_list_servers(int family, std::uint32_t sequence, std::vector<std::byte>& out);
// The same of one virtual server; its one message is followed by an acknowledgement.
void encode_get_server(const VirtualServerKey& key, int family, std::uint32_t sequence,
                       std::vector<std::byte>& out);
void encode_list_real_servers(const VirtualServerKey& key, int family, std::uint32_t sequence,
                              std::vector<std::byte>& out);
void encode_timeouts(const Settings& settings, int family, std::uint32_t sequence,
                     std::vector<std::byte>& out);

// Of a dump's message; nullopt for one by firewall mark, of another protocol than ours, or
// malformed.
[[nodiscard]] std::optional<std::pair<VirtualServerKey, ObservedVirtualServer>> parse_server(
    nlmsghdr* message);
// `family` is that of the virtual server.
[[nodiscard]] std::optional<ObservedRealServer> parse_real_server(proxy::Family family,
                                                                  nlmsghdr* message);

}  // namespace modes::ipvs
