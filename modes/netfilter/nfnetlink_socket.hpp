// A NETLINK_NETFILTER socket: whole datagrams out and in, without blocking.
//
// nfnetlink does its work inside sendmsg(2): when send() returns, every acknowledgement is already
// waiting, and a dump continues inside each receive(). Only notifications arrive by themselves.
#pragma once

#include "modes/netfilter/attribute_reader.hpp"
#include "proxy/result.hpp"
#include "proxy/unique_fd.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace modes::netfilter {

using proxy::Error;
using proxy::Result;

class NfnetlinkSocket {
 public:
  // In the network namespace of the calling thread. Fails where the kernel has no nfnetlink.
  [[nodiscard]] static Result<NfnetlinkSocket> open();

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] std::uint32_t next_sequence() { return ++sequence_; }

  // One datagram. Grows the send buffer for it where that is allowed (CAP_NET_ADMIN);
  // otherwise a large one fails with EMSGSIZE.
  [[nodiscard]] Result<void> send(Bytes datagram);
  // One datagram, valid until the next call; nullopt when none waits. ENOBUFS: some were lost.
  [[nodiscard]] Result<std::optional<Bytes>> receive();

  // Multicast group membership (linux/netfilter/nfnetlink.h enum nfnetlink_groups).
  [[nodiscard]] Result<void> join(int group);
  [[nodiscard]] Result<void> leave(int group);

 private:
  explicit NfnetlinkSocket(proxy::UniqueFd fd);

  proxy::UniqueFd fd_;
  std::uint32_t sequence_ = 0;
  std::size_t send_buffer_ = 0;  // bytes that are known to fit
  std::vector<std::byte> buffer_;
};

}  // namespace modes::netfilter
