// A rule in nf_tables' own expressions, for tables that no iptables tool has to read
// (linux/netfilter/nf_tables.h).
//
// Written left to right as nft would print it: matches first, then what happens. Each method
// appends expressions; bytes() is the content of NFTA_RULE_EXPRESSIONS.
#pragma once

#include "proxy/ip_address.hpp"
#include "proxy/protocol.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace modes::netfilter {

class NativeRule {
 public:
  explicit NativeRule(proxy::Family family) : family_{family} {}

  // ── matches ─────────────────────────────────────────────────────────────────────────────────
  NativeRule& protocol(proxy::Protocol protocol);             // meta l4proto P
  NativeRule& mark(std::uint32_t value, std::uint32_t mask);  // meta mark & mask == value
  NativeRule& not_new();                                      // ct state != new
  NativeRule& in_interface(std::string_view pattern, bool equal = true);  // "eth0", "veth+"
  NativeRule& out_interface(std::string_view pattern, bool equal = true);
  NativeRule& icmp();  // meta l4proto icmp, ipv6-icmp
  NativeRule& source(const proxy::IpPrefix& prefix);
  NativeRule& destination(const proxy::IpPrefix& prefix, bool equal = true);
  NativeRule& source_is_local();       // fib saddr type local
  NativeRule& destination_is_local();  // fib daddr type local
  NativeRule& transparent_socket();    // socket transparent 1 socket wildcard 0
  NativeRule& destination_in(std::string_view set);
  NativeRule& source_in(std::string_view set);
  NativeRule& source_is_destination();  // both addresses are equal (xt_bpf: nft can't compare them)
  // In a table of the family arp: a request for an address in the set.
  NativeRule& arp_request_for(std::string_view set);

  // Looks up concatenations in a named set; no match ends the rule.
  NativeRule& vip_in(std::string_view set);             // daddr . l4proto . th dport @set
  NativeRule& port_in(std::string_view set);            // l4proto . th dport @set
  NativeRule& vip_and_source_in(std::string_view set);  // daddr . l4proto . th dport . saddr @set
  // … in a map of numbers, and compares the number. Not with a second map behind the first: nft
  // 1.0.6 aborts when it lists such a rule.
  NativeRule& vip_number(std::string_view map, std::uint32_t number, bool equal = true);
  NativeRule& port_number(std::string_view map, std::uint32_t number,
                          bool equal = true);  // l4proto . th dport

  // ── what happens ────────────────────────────────────────────────────────────────────────────
  NativeRule& set_mark(std::uint32_t value, std::uint32_t mask);  // mark = mark & ~mask | value
  NativeRule& tproxy(proxy::Port port);
  NativeRule& dnat(const proxy::IpAddress& address, proxy::Port port);
  NativeRule& redirect(proxy::Port port);
  NativeRule& masquerade();  // source ports chosen at random
  NativeRule& reject();      // port unreachable
  NativeRule& drop();
  NativeRule& accept();
  NativeRule& go_to(std::string_view chain);

  [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  class Expression;
  enum class Side : std::uint8_t { source, destination };

  void load_meta(std::uint32_t key, std::uint32_t into);
  void load_network(std::uint32_t offset, std::uint32_t size, std::uint32_t into);
  void link_name(std::uint32_t key, std::string_view pattern, bool equal);
  void load_address(Side side, std::uint32_t into);
  void load_port(std::uint32_t into);
  void load_number(std::span<const std::byte> value, std::uint32_t into);
  void compare(std::span<const std::byte> value, bool equal = true);
  void mask(std::span<const std::byte> mask, std::span<const std::byte> exclusive_or);
  void address(Side side, const proxy::IpPrefix& prefix, bool equal);
  void address_type(std::uint32_t which);
  void lookup(std::string_view set, std::uint32_t from, std::optional<std::uint32_t> into);
  void verdict(int code, std::string_view chain = {});

  proxy::Family family_;
  std::vector<std::byte> bytes_;
};

}  // namespace modes::netfilter
