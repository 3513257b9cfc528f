// The nf_tables expressions of one rule, written in order into NFTA_RULE_EXPRESSIONS.
//
// Native expressions where iptables has always used them (addresses, protocol, interface,
// verdicts), and the `match` and `target` expressions of nft_compat, which carry an xtables
// extension's own struct, for all else (revisions: those that iptables 1.8.4 and later write).
#pragma once

#include "modes/netfilter/attributes.hpp"
#include "modes/netfilter/rule.hpp"

#include <string_view>

namespace modes::netfilter {

class ExpressionWriter {
 public:
  enum class Side : std::uint8_t { source, destination };

  explicit ExpressionWriter(std::vector<std::byte>& out);  // opens the list
  ~ExpressionWriter();                                     // closes it
  ExpressionWriter(const ExpressionWriter&) = delete;
  ExpressionWriter& operator=(const ExpressionWriter&) = delete;

  void address(Family family, Side side, const AddressMatch& match);
  void in_interface(const InterfaceMatch& match);
  void protocol(Protocol protocol);
  void comment(std::string_view text);  // at most 255 bytes
  void destination_port(Protocol protocol, const PortRange& range);
  void mark(const MarkMatch& match);
  void connection_state(const ConnectionState& state);
  void address_type(AddressType type);
  void source_is_destination(Family family);
  void recent(const Recent& recent);
  void statistic(std::uint32_t probability);
  void counter();
  void target(Family family, const Target& target);

 private:
  class Expression;

  void compare(bool equal, std::span<const std::byte> value);
  void masked(std::span<const std::byte> mask);
  template <class Info>
  void match(std::string_view name, std::uint32_t revision, const Info& info);
  template <class Info>
  void extension_target(std::string_view name, std::uint32_t revision, const Info& info);
  void verdict(int code, const ChainName* chain);
  void dnat(Family family, const Dnat& to);
  void masquerade(Family family);
  void reject(Family family);

  AttributeWriter out_;
  std::size_t list_;
};

}  // namespace modes::netfilter
