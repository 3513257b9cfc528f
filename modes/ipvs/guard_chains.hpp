// The nf_tables part of the mode: sets of VIPs, and a fixed number of chains, whatever the number
// of services.
//
// Pure. IPVS takes packets at the input and output hooks, after these chains:
//
//   input    (from elsewhere)   ┐ the fate of the VIP is looked up: mark for masquerading, let
//   pass, output   (from this node)   ┘ or drop, for a source that is not allowed input    also
//   refuses ports of VIPs that are nobody's: VIPs are addresses of this machine, and
//            its own sockets would answer
//   postrouting                 masquerades what is marked, and what goes back to its own sender
//   arp                         a VIP on kube-ipvs0 is not answered for on the networks of the node
#pragma once

#include "modes/ipvs/holdings.hpp"
#include "modes/netfilter/private_table.hpp"

#include <array>
#include <optional>
#include <span>
#include <vector>

namespace modes::ipvs {

inline constexpr const char* kGuardTable = "viaduct-ipvs";

// The fates that VIPs have, and node ports: for each there is a set.
inline constexpr std::array kVipFates{Fate::cluster_ip, Fate::external, Fate::local,
                                      Fate::ranges_external, Fate::ranges_local};
inline constexpr std::array kNodePortFates{Fate::external, Fate::local, Fate::health};

// The sets whose elements come and go with services.
[[nodiscard]] netfilter::SetLayout vips_layout(Fate fate);        // address . protocol . port
[[nodiscard]] netfilter::SetLayout node_ports_layout(Fate fate);  // protocol . port
[[nodiscard]] netfilter::SetLayout addresses_layout();            // on kube-ipvs0
[[nodiscard]] netfilter::SetLayout sources_layout();  // address . protocol . port . range
[[nodiscard]] netfilter::SetLayout silent_layout();   // of the table for arp

[[nodiscard]] netfilter::SetElement vip_element(const VirtualServerKey& key);
[[nodiscard]] netfilter::SetElement node_port_element(const NodePortKey& key);
[[nodiscard]] netfilter::SetElement address_element(const IpAddress& ip);
[[nodiscard]] netfilter::SetElement source_element(const AllowedSource& source);

// The other way round, for keys that were read from the kernel; nullopt for one of another form.
[[nodiscard]] std::optional<VirtualServerKey> parse_vip(Family family,
                                                        std::span<const std::byte> key);
[[nodiscard]] std::optional<NodePortKey> parse_node_port(Family family,
                                                         std::span<const std::byte> key);

enum class Hairpins : std::uint8_t {
  masqueraded,      // packets whose addresses are equal
  left_as_they_are  // the kernel cannot tell them
};

// Adds the table of a family to the batch, with its chains and empty sets.
void write_guard(netfilter::TableBatch& batch, Family family, const Settings& settings,
                 const NodeFacts& node, Hairpins hairpins);
void write_arp_guard(netfilter::TableBatch& batch);

}  // namespace modes::ipvs
