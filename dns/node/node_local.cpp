#include "dns/node/node_local.hpp"

#include "dns/node/loopback_netlink.hpp"
#include "modes/netfilter/nf_tables_messages.hpp"
#include "modes/netfilter/nfnetlink_socket.hpp"

#include <algorithm>
#include <cerrno>

namespace dns::node {

namespace {

using modes::netfilter::NfnetlinkSocket;
using proxy::system_error;

constexpr std::uint32_t kSequence = 1;

// Sends a batch or a request and lets `visit` see what comes back; the first error the kernel names
// otherwise.
template <class Visit>
Result<void> talk(const std::vector<std::byte>& request, const char* what, Visit visit) {
  auto socket = NfnetlinkSocket::open();
  if (!socket) return socket.error();
  if (auto sent = socket->send(request); !sent) return sent;
  int error = 0;
  while (true) {
    const auto datagram = socket->receive();
    if (!datagram) return datagram.error();
    if (!*datagram) break;
    modes::netfilter::for_each_message(**datagram, [&](const auto& message) {
      const auto answer = modes::netfilter::parse_acknowledgement(message);
      if (answer && error == 0) error = answer->error;
      if (!answer) visit(message);
    });
  }
  if (error != 0) return system_error(error, what);
  return {};
}

Result<void> commit(const std::vector<std::byte>& batch, const char* what) {
  return talk(batch, what, [](const auto&) {});
}

// nullopt: there is none.
Result<std::optional<Claim>> claim_in_force() {
  std::optional<Claim> found;
  const auto asked = talk(get_claim(kSequence), "look for the table viaduct-dns",
                          [&](const auto& message) { found = parse_claim(message); });
  if (asked || asked.error().code == std::errc::no_such_file_or_directory) return found;
  return asked.error();
}

}  // namespace

Result<void> NodeLocal::take() {
  if (claim_.addresses.empty()) return {};
  const auto before = claim_in_force();
  if (!before) return before.error();
  if (auto put = commit(put_claim(claim_, kSequence), "let DNS past connection tracking"); !put) {
    return put;
  }
  holds_ = true;
  for (const auto& [address, port] : claim_.addresses) {
    const auto is_new = add_to_loopback(address);
    if (!is_new) {
      (void)turn_away();
      (void)leave();
      return is_new.error();
    }
    const auto had_it = [&, same = address](const Claim& claim) {
      return std::any_of(claim.addresses.begin(), claim.addresses.end(),
                         [&](const auto& known) { return known.address == same; });
    };
    if (*is_new || (*before && had_it(**before))) added_.push_back(address);
  }
  return {};
}

Result<void> NodeLocal::turn_away() {
  if (!holds_) return {};
  const auto now = claim_in_force();
  if (!now) return now.error();
  if (!*now || (*now)->owner != claim_.owner) {  // a successor's by now, or somebody took it away
    holds_ = false;
    if (*now) added_.clear();
    return {};
  }
  holds_ = false;
  return commit(delete_claim(kSequence), "remove the table viaduct-dns");
}

Result<void> NodeLocal::leave() {
  Result<void> outcome;
  for (const auto& address : std::exchange(added_, {})) {
    const auto removed = remove_from_loopback(address);
    if (!removed && outcome) outcome = removed.error();
  }
  return outcome;
}

Result<bool> remove_leftovers() {
  const auto found = claim_in_force();
  if (!found) return found.error();
  if (!*found) return false;
  if (auto gone = commit(delete_claim(kSequence), "remove the table viaduct-dns"); !gone) {
    return gone.error();
  }
  for (const auto& [address, port] : (*found)->addresses) {
    if (const auto removed = remove_from_loopback(address); !removed) return removed.error();
  }
  return true;
}

}  // namespace dns::node
