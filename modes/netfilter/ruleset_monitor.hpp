// Notices when somebody else commits changes to nf_tables, and whether they concern us.
//
// Listens to NFNLGRP_NFTABLES: the objects that a commit added or deleted, then NEWGEN with the new
// generation and the process. Our own commits are told by their generation. Being told of every
// object costs the kernel about a microsecond each, so a large load of ours pauses the listening;
// every commit of it is checked by generation instead.
#pragma once

#include "modes/mode.hpp"
#include "modes/netfilter/nfnetlink_socket.hpp"
#include "modes/netfilter/observation.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

namespace modes::netfilter {

class RulesetMonitor {
 public:
  // A chain that is ours, and a rule (of any chain of our tables) that bears our mark, are ours to
  // worry about; `concerns` knows the chains. So is all of a table called `private_table`, of any
  // family. Paused until resume().
  [[nodiscard]] static Result<RulesetMonitor> open(std::function<bool(const ChainKey&)> concerns,
                                                   std::string private_table = {});

  [[nodiscard]] int fd() const { return socket_.fd(); }

  // Our own commit made this generation.
  void own(std::uint32_t generation) { own_.insert(generation); }
  void pause();
  [[nodiscard]] Result<void> resume();
  [[nodiscard]] bool listening() const { return listening_; }

  // Reads all notifications that wait. What they say of us is kept until take().
  void drain();
  [[nodiscard]] bool changed() const { return changed_.has_value(); }
  [[nodiscard]] std::optional<OutsideChange> take();

 private:
  RulesetMonitor(NfnetlinkSocket socket, std::function<bool(const ChainKey&)> concerns,
                 std::string private_table)
      : socket_{std::move(socket)},
        concerns_{std::move(concerns)},
        private_table_{std::move(private_table)} {}

  void read(const Message& message);
  [[nodiscard]] bool touches_us(int type, const Message& message) const;

  NfnetlinkSocket socket_;
  std::function<bool(const ChainKey&)> concerns_;
  std::string private_table_;
  bool listening_ = false;
  bool touched_ = false;  // by the commit whose NEWGEN is still to come
  std::set<std::uint32_t> own_;
  std::optional<OutsideChange> changed_;
};

}  // namespace modes::netfilter
