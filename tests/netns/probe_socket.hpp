// One connection of a probe: a non-blocking socket that is driven by poll(2) until its outcome is
// known.
#pragma once

#include "proxy/unique_fd.hpp"
#include "tests/netns/probe.hpp"

#include <memory>
#include <optional>

namespace netns {

class ProbeSocket {
 public:
  virtual ~ProbeSocket() = default;
  // Sends the first packet. Requires the calling thread to be in the client's namespace.
  virtual void start() = 0;
  [[nodiscard]] virtual short events() const = 0;  // for poll(2)
  // After poll(2) has reported something.
  void on_ready();

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const std::optional<Outcome>& outcome() const { return outcome_; }
  [[nodiscard]] SocketAddress source() const { return from_; }

 protected:
  // Opens and binds; throws LabError.
  ProbeSocket(int type, Protocol protocol, const SocketAddress& from, const SocketAddress& to);
  virtual void read() = 0;
  // Whether an ICMP error about a packet with these first bytes (from the transport header on) is
  // ours.
  [[nodiscard]] virtual bool concerns(std::span<const std::byte> packet) const;
  void finish(Outcome outcome) {
    if (!outcome_) outcome_ = std::move(outcome);
  }
  void finish_with_error(int error);

  SocketAddress from_;
  SocketAddress to_;

 private:
  void read_icmp_errors();
  proxy::UniqueFd fd_;
  std::optional<Outcome> outcome_;
};

[[nodiscard]] std::unique_ptr<ProbeSocket> make_probe_socket(Protocol protocol,
                                                             const SocketAddress& from,
                                                             const SocketAddress& to,
                                                             bool connecting_is_enough);

}  // namespace netns
