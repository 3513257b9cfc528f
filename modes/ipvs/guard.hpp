// Keeps the guard (guard_chains.hpp) in the kernel: one transaction for all of its tables each
// time.
//
// The tables stay when the process ends. What is in them tells the next process which virtual
// servers were ours.
#pragma once

#include "modes/ipvs/guard_chains.hpp"
#include "modes/netfilter/nfnetlink_socket.hpp"

#include <set>
#include <string>
#include <vector>

namespace modes::ipvs {

using proxy::Result;

// Which virtual servers an earlier process made, by its guard.
struct Legacy {
  bool there = false;  // some guard was in the kernel
  std::set<VirtualServerKey> vips;
  std::set<NodePortKey> node_ports;

  [[nodiscard]] bool holds(const VirtualServerKey& key) const;
};

// What has become of the elements since they were last written.
struct GuardChanges {
  std::vector<Claims<VirtualServerKey, Fate>::Change> vips;
  std::vector<Claims<NodePortKey, Fate>::Change> node_ports;
  std::vector<Claims<IpAddress, std::monostate>::Change> addresses;
  std::vector<Claims<IpAddress, std::monostate>::Change> silent;
  std::vector<Claims<AllowedSource, std::monostate>::Change> sources;

  [[nodiscard]] static GuardChanges take_from(Holdings& holdings);
  [[nodiscard]] std::size_t size() const;
};

class Guard {
 public:
  // In the network namespace of the calling thread.
  [[nodiscard]] static Result<Guard> open(const Settings& settings);

  [[nodiscard]] Result<Legacy> legacy();
  // Makes the tables anew, in one transaction, with all that is held. Returns the number of
  // messages.
  [[nodiscard]] Result<std::size_t> rebuild(const Holdings& holdings, const NodeFacts& node);
  // Requires a rebuild() that succeeded. What comes is written by the first call, what goes by the
  // second: between them virtual servers change. Does nothing, 0 messages, without a change.
  [[nodiscard]] Result<std::size_t> add(const GuardChanges& changes);
  [[nodiscard]] Result<std::size_t> remove(const GuardChanges& changes);
  // Takes the tables away; true if there were any.
  [[nodiscard]] Result<bool> remove_all();

  // What the kernel could not do; empty: nothing.
  [[nodiscard]] const std::vector<std::string>& limits() const { return limits_; }

 private:
  Guard(const Settings& settings, netfilter::NfnetlinkSocket socket)
      : settings_{settings}, socket_{std::move(socket)} {}

  [[nodiscard]] Result<std::size_t> try_rebuild(const Holdings& holdings, const NodeFacts& node,
                                                Hairpins hairpins, bool arp);

  Settings settings_;
  netfilter::NfnetlinkSocket socket_;
  Hairpins hairpins_ = Hairpins::masqueraded;
  bool arp_ = true;
  std::vector<std::string> limits_;
};

}  // namespace modes::ipvs
