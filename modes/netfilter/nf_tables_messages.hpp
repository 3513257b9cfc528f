// The frame of nf_tables messages: netlink header, nfgenmsg, and acknowledgements
// (linux/netlink.h, linux/netfilter/nfnetlink.h).
#pragma once

#include "modes/netfilter/attribute_reader.hpp"
#include "proxy/ip_address.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace modes::netfilter {

// Appends the header of a message of any nfnetlink type and returns where it began, for
// close_message(), which fills in its length. `resource` is nfgenmsg's res_id in host order.
std::size_t open_nfnetlink_message(std::vector<std::byte>& out, int type, int flags,
                                   std::uint32_t sequence, std::uint8_t family,
                                   std::uint16_t resource);
// The same for a message of nf_tables (NFT_MSG_…).
std::size_t open_nf_tables_message(std::vector<std::byte>& out, int type, int flags,
                                   std::uint32_t sequence, proxy::Family family);
void close_message(std::vector<std::byte>& out, std::size_t at);

// The NFT_MSG_… of a message, -1 if it is not one of nf_tables.
[[nodiscard]] int nf_tables_type(const Message& message);
// nullopt for other families (inet, bridge …).
[[nodiscard]] std::optional<proxy::Family> ip_family(const Message& message);

struct Acknowledgement {
  int error = 0;     // errno, 0: success
  std::string text;  // NLMSGERR_ATTR_MSG, with NETLINK_CAP_ACK set on the socket
};
// nullopt if the message is none (NLMSG_ERROR).
[[nodiscard]] std::optional<Acknowledgement> parse_acknowledgement(const Message& message);

}  // namespace modes::netfilter
