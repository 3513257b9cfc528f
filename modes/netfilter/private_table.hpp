// A table of nf_tables that is ours alone: its sets, maps, chains and elements, as messages.
//
// An owned table belongs to the socket that makes it (NFT_TABLE_F_OWNER, Linux 5.12): nobody else
// can change it, a foreign `flush ruleset` passes it by, and when the last descriptor of that
// socket is closed, however the process ends, the kernel takes the table away. One that is not
// owned stays when the process ends.
#pragma once

#include "modes/netfilter/nfnetlink_socket.hpp"
#include "proxy/ip_address.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace modes::netfilter {

// What a set's key is made of, in order; each field fills whole registers of 4 bytes.
enum class KeyField : std::uint8_t { address, protocol, port, number };

struct SetLayout {
  std::string name;
  std::vector<KeyField> key;
  enum class Kind : std::uint8_t { set, numbers, verdicts } kind = Kind::set;
  bool intervals = false;  // elements are ranges, in the last field at least
};

// A key in the set's layout: write its fields in order.
class SetKey {
 public:
  SetKey& address(const proxy::IpAddress& address);
  SetKey& protocol(std::uint8_t protocol);
  SetKey& port(std::uint16_t host_order);
  SetKey& number(std::uint32_t value);
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

  friend auto operator<=>(const SetKey&, const SetKey&) = default;
  friend bool operator==(const SetKey&, const SetKey&) = default;

 private:
  std::vector<std::byte> bytes_;
};

struct SetElement {
  SetKey key;
  std::optional<SetKey> last;  // of an interval of a concatenation, which it includes
  std::uint32_t number = 0;    // Kind::numbers
  std::string chain;           // Kind::verdicts: where to go to
  bool interval_end = false;   // in an interval set of one field: the first key behind an interval
};

struct NativeChain {
  struct Hook {
    std::string_view type;  // "filter", "nat", "route"
    std::uint32_t number;   // NF_INET_…
    std::int32_t priority;
  };
  std::string name;
  std::optional<Hook> hook;                   // of a base chain; its policy is accept
  std::vector<std::vector<std::byte>> rules;  // NativeRule::bytes()
};

// Collects messages about one table and commits them: all or nothing.
class TableBatch {
 public:
  TableBatch(proxy::Family family, std::string_view table);
  // A table of the family arp, whose addresses are IPv4's.
  [[nodiscard]] static TableBatch for_arp(std::string_view table);

  enum class Ownership : std::uint8_t { owned, left_behind };
  void add_table(Ownership ownership = Ownership::owned);
  void delete_table();  // with all that is in it
  void add_set(const SetLayout& layout);
  void add_chain(const NativeChain& chain);  // without its rules
  void add_rules(const NativeChain& chain);
  void flush_chain(std::string_view chain);
  void add_elements(const SetLayout& layout, std::span<const SetElement> elements);
  void delete_elements(const SetLayout& layout, std::span<const SetElement> elements);
  void flush_set(std::string_view set);

  [[nodiscard]] std::size_t messages() const { return messages_; }

  // Fails with the kernel's error for the first message that it refuses; nothing is done then.
  // The other family's batch may be committed by the same call.
  [[nodiscard]] static Result<void> commit(NfnetlinkSocket& socket,
                                           std::span<const TableBatch> batches);

 private:
  template <class Fill>
  void message(int type, int flags, Fill fill);
  void elements(int type, int flags, const SetLayout& layout, std::span<const SetElement> all);

  proxy::Family family_;
  bool arp_ = false;
  std::string table_;
  std::uint32_t set_id_ = 0;
  std::vector<std::byte> bytes_;  // sequence numbers are filled in by commit()
  std::size_t messages_ = 0;
};

// Does the kernel have the table? False if it is gone.
[[nodiscard]] Result<bool> table_exists(NfnetlinkSocket& socket, proxy::Family family,
                                        std::string_view table);
[[nodiscard]] Result<bool> arp_table_exists(NfnetlinkSocket& socket, std::string_view table);

// The keys of a named set or map, as SetKey has them; empty if there is no such.
[[nodiscard]] Result<std::vector<std::vector<std::byte>>> read_set(NfnetlinkSocket& socket,
                                                                   proxy::Family family,
                                                                   std::string_view table,
                                                                   std::string_view set);

}  // namespace modes::netfilter
