// A rule as iptables knows it, as plain data: what is matched, and what happens then.
//
// Only what our modes write is here. rule_codec.hpp turns it into the kernel's expressions.
#pragma once

#include "modes/netfilter/chain.hpp"
#include "proxy/protocol.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

namespace modes::netfilter {

using proxy::IpAddress;
using proxy::IpPrefix;
using proxy::Port;
using proxy::Protocol;

struct AddressMatch {  // -s, -d
  IpPrefix prefix;
  bool inverted = false;
  friend bool operator==(const AddressMatch&, const AddressMatch&) = default;
};

struct InterfaceMatch {  // -i; a trailing '+' matches every interface that begins so
  std::string name;
  bool inverted = false;
  friend bool operator==(const InterfaceMatch&, const InterfaceMatch&) = default;
};

struct PortRange {  // --dport first:last, both included
  Port first;
  Port last;
  friend bool operator==(const PortRange&, const PortRange&) = default;
};

struct MarkMatch {  // -m mark: (mark & mask) == value
  std::uint32_t value = 0;
  std::uint32_t mask = 0;
  bool inverted = false;
  friend bool operator==(const MarkMatch&, const MarkMatch&) = default;
};

// -m conntrack --ctstate: any of these; DNAT is the state of a connection whose destination was
// translated.
struct ConnectionState {
  bool invalid = false;
  bool fresh = false;  // NEW
  bool established = false;
  bool related = false;
  bool dnat = false;
  bool inverted = false;
  friend bool operator==(const ConnectionState&, const ConnectionState&) = default;
};

enum class AddressType : std::uint8_t { none, source_local, destination_local };  // -m addrtype

struct Recent {  // -m recent, by source address
  enum class Action : std::uint8_t { set, check };
  Action action = Action::set;
  std::uint32_t seconds = 0;  // check: not older than this, and older entries are reaped
  ChainName list;
  friend bool operator==(const Recent&, const Recent&) = default;
};

// What happens to a packet that all matches let through.
struct NoTarget {
  friend bool operator==(const NoTarget&, const NoTarget&) = default;
};
struct Accept {
  friend bool operator==(const Accept&, const Accept&) = default;
};
struct Drop {
  friend bool operator==(const Drop&, const Drop&) = default;
};
struct Return {
  friend bool operator==(const Return&, const Return&) = default;
};
struct Reject {
  friend bool operator==(const Reject&, const Reject&) = default;
};  // port unreachable
struct Jump {
  ChainName to;
  friend bool operator==(const Jump&, const Jump&) = default;
};
struct Goto {  // like Jump, but an end without verdict returns to our caller, not to us
  ChainName to;
  friend bool operator==(const Goto&, const Goto&) = default;
};
struct Dnat {
  IpAddress address;
  Port port;
  friend bool operator==(const Dnat&, const Dnat&) = default;
};
struct Mark {  // mark = (mark & ~mask) ^ value; --set-xmark value/mask
  std::uint32_t value = 0;
  std::uint32_t mask = 0;
  friend bool operator==(const Mark&, const Mark&) = default;
};
struct Masquerade {  // source ports chosen at random (--random-fully)
  friend bool operator==(const Masquerade&, const Masquerade&) = default;
};
using Target =
    std::variant<NoTarget, Accept, Drop, Return, Reject, Jump, Goto, Dnat, Mark, Masquerade>;

struct Rule {
  std::optional<AddressMatch> source;
  std::optional<AddressMatch> destination;
  std::optional<InterfaceMatch> in_interface;
  std::optional<Protocol> protocol;
  std::optional<PortRange> destination_port;  // requires protocol
  std::optional<MarkMatch> mark;
  std::optional<ConnectionState> state;
  AddressType address_type = AddressType::none;
  bool source_is_destination = false;  // both addresses of the packet are equal (-m bpf)
  std::optional<Recent> recent;
  std::uint32_t probability = 0;  // of 2³¹; 0: always (-m statistic --mode random)
  Target target;
  std::string comment;  // at most 255 bytes are kept

  friend bool operator==(const Rule&, const Rule&) = default;
};

}  // namespace modes::netfilter
