#include "modes/netfilter/private_table.hpp"

#include "modes/netfilter/attributes.hpp"
#include "modes/netfilter/nf_tables_messages.hpp"

#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace modes::netfilter {
namespace {

using proxy::Family;

// nft's numbers of data types (nftables include/datatype.h enum datatypes), by which it prints
// keys; concatenations have 6 bits for each.
constexpr std::uint32_t kTypeBits = 6;
constexpr std::uint32_t type_number(Family family, KeyField field) {
  switch (field) {
    case KeyField::address:
      return family == Family::v4 ? 7 : 8;
    case KeyField::protocol:
      return 12;
    case KeyField::port:
      return 13;
    case KeyField::number:
      return 19;  // mark
  }
  return 0;
}
constexpr std::uint32_t kMarkType = 19;

std::uint32_t field_size(Family family, KeyField field) {  // bytes, before padding
  switch (field) {
    case KeyField::address:
      return static_cast<std::uint32_t>(proxy::address_size(family));
    case KeyField::protocol:
      return 1;
    case KeyField::port:
      return 2;
    case KeyField::number:
      return 4;
  }
  return 0;
}

constexpr std::uint32_t padded(std::uint32_t size) {
  return (size + 3) / 4 * 4;
}

constexpr std::size_t kElementsPerMessage = 400;  // their list must stay below 64 KiB

constexpr std::uint8_t nf_family(Family family) {
  return family == Family::v4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
}

bool is_concatenation(const SetLayout& layout) {
  return layout.key.size() > 1;
}

void set_sequence(std::span<std::byte> message, std::uint32_t sequence) {
  std::memcpy(message.data() + 8, &sequence, sizeof(sequence));  // nlmsghdr.nlmsg_seq
}

void batch_edge(std::vector<std::byte>& out, int type, std::uint32_t sequence) {
  const auto at =
      open_nfnetlink_message(out, type, NLM_F_REQUEST, sequence, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
  close_message(out, at);
}

}  // namespace

SetKey& SetKey::address(const proxy::IpAddress& address) {
  bytes_.insert(bytes_.end(), address.bytes().begin(), address.bytes().end());
  return *this;
}
SetKey& SetKey::protocol(std::uint8_t protocol) {
  bytes_.push_back(static_cast<std::byte>(protocol));
  bytes_.resize(bytes_.size() + 3);
  return *this;
}
SetKey& SetKey::port(std::uint16_t host_order) {
  bytes_.push_back(static_cast<std::byte>(host_order >> 8));
  bytes_.push_back(static_cast<std::byte>(host_order & 0xff));
  bytes_.resize(bytes_.size() + 2);
  return *this;
}
SetKey& SetKey::number(std::uint32_t value) {
  const auto at = bytes_.size();
  bytes_.resize(at + sizeof(value));
  std::memcpy(bytes_.data() + at, &value, sizeof(value));
  return *this;
}

TableBatch::TableBatch(Family family, std::string_view table) : family_{family}, table_{table} {}

template <class Fill>
void TableBatch::message(int type, int flags, Fill fill) {
  const auto at =
      open_nfnetlink_message(bytes_, NFNL_SUBSYS_NFTABLES << 8 | type, NLM_F_REQUEST | flags, 0,
                             arp_ ? std::uint8_t{NFPROTO_ARP} : nf_family(family_), 0);
  AttributeWriter out{bytes_};
  fill(out);
  close_message(bytes_, at);
  ++messages_;
}

TableBatch TableBatch::for_arp(std::string_view table) {
  TableBatch batch{Family::v4, table};
  batch.arp_ = true;
  return batch;
}

void TableBatch::add_table(Ownership ownership) {
  message(NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, [&](AttributeWriter& out) {
    out.put_text(NFTA_TABLE_NAME, table_);
    if (ownership == Ownership::owned) out.put_be32(NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
  });
}

void TableBatch::delete_table() {
  message(NFT_MSG_DELTABLE, 0,
          [&](AttributeWriter& out) { out.put_text(NFTA_TABLE_NAME, table_); });
}

void TableBatch::add_set(const SetLayout& layout) {
  std::uint32_t flags = layout.intervals ? NFT_SET_INTERVAL : 0;
  if (layout.intervals && is_concatenation(layout)) flags |= NFT_SET_CONCAT;
  if (layout.kind != SetLayout::Kind::set) flags |= NFT_SET_MAP;
  std::uint32_t type = 0;
  std::uint32_t size = 0;
  for (const auto field : layout.key) {
    type = type << kTypeBits | type_number(family_, field);
    size += padded(field_size(family_, field));
  }
  if (!is_concatenation(layout)) size = field_size(family_, layout.key.front());
  message(NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL, [&](AttributeWriter& out) {
    out.put_text(NFTA_SET_TABLE, table_);
    out.put_text(NFTA_SET_NAME, layout.name);
    out.put_be32(NFTA_SET_FLAGS, flags);
    out.put_be32(NFTA_SET_KEY_TYPE, type);
    out.put_be32(NFTA_SET_KEY_LEN, size);
    if (layout.kind == SetLayout::Kind::numbers) {
      out.put_be32(NFTA_SET_DATA_TYPE, kMarkType);
      out.put_be32(NFTA_SET_DATA_LEN, sizeof(std::uint32_t));
    } else if (layout.kind == SetLayout::Kind::verdicts) {
      out.put_be32(NFTA_SET_DATA_TYPE, NFT_DATA_VERDICT);
    }
    out.put_be32(NFTA_SET_ID, ++set_id_);
    if ((flags & NFT_SET_CONCAT) != 0) {
      const auto description = out.open(NFTA_SET_DESC);
      const auto fields = out.open(NFTA_SET_DESC_CONCAT);
      for (const auto field : layout.key) {
        const auto element = out.open(NFTA_LIST_ELEM);
        out.put_be32(NFTA_SET_FIELD_LEN, field_size(family_, field));
        out.close(element);
      }
      out.close(fields);
      out.close(description);
    }
  });
}

void TableBatch::add_chain(const NativeChain& chain) {
  message(NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL, [&](AttributeWriter& out) {
    out.put_text(NFTA_CHAIN_TABLE, table_);
    out.put_text(NFTA_CHAIN_NAME, chain.name);
    if (!chain.hook) return;
    out.put_text(NFTA_CHAIN_TYPE, chain.hook->type);
    const auto hook = out.open(NFTA_CHAIN_HOOK);
    out.put_be32(NFTA_HOOK_HOOKNUM, chain.hook->number);
    out.put_be32(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(chain.hook->priority));
    out.close(hook);
    out.put_be32(NFTA_CHAIN_POLICY, NF_ACCEPT);
  });
}

void TableBatch::add_rules(const NativeChain& chain) {
  for (const auto& rule : chain.rules) {
    message(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, [&](AttributeWriter& out) {
      out.put_text(NFTA_RULE_TABLE, table_);
      out.put_text(NFTA_RULE_CHAIN, chain.name);
      const auto list = out.open(NFTA_RULE_EXPRESSIONS);
      bytes_.insert(bytes_.end(), rule.begin(), rule.end());
      out.close(list);
    });
  }
}

void TableBatch::flush_chain(std::string_view chain) {
  message(NFT_MSG_DELRULE, 0, [&](AttributeWriter& out) {
    out.put_text(NFTA_RULE_TABLE, table_);
    out.put_text(NFTA_RULE_CHAIN, chain);
  });
}

void TableBatch::flush_set(std::string_view set) {
  message(NFT_MSG_DELSETELEM, 0, [&](AttributeWriter& out) {
    out.put_text(NFTA_SET_ELEM_LIST_TABLE, table_);
    out.put_text(NFTA_SET_ELEM_LIST_SET, set);
  });
}

void TableBatch::elements(int type, int flags, const SetLayout& layout,
                          std::span<const SetElement> all) {
  const auto put_key = [](AttributeWriter& out, std::uint16_t attribute, const SetKey& key) {
    const auto nest = out.open(attribute);
    out.put(NFTA_DATA_VALUE, key.bytes());
    out.close(nest);
  };
  const auto put_data = [&](AttributeWriter& out, const SetElement& element) {
    const auto data = out.open(NFTA_SET_ELEM_DATA);
    if (layout.kind == SetLayout::Kind::numbers) {
      out.put_struct(NFTA_DATA_VALUE, element.number);
    } else {
      const auto verdict = out.open(NFTA_DATA_VERDICT);
      out.put_be32(NFTA_VERDICT_CODE, static_cast<std::uint32_t>(NFT_GOTO));
      out.put_text(NFTA_VERDICT_CHAIN, element.chain);
      out.close(verdict);
    }
    out.close(data);
  };
  while (!all.empty()) {
    const auto part = all.first(std::min(all.size(), kElementsPerMessage));
    all = all.subspan(part.size());
    message(type, flags, [&](AttributeWriter& out) {
      out.put_text(NFTA_SET_ELEM_LIST_TABLE, table_);
      out.put_text(NFTA_SET_ELEM_LIST_SET, layout.name);
      const auto list = out.open(NFTA_SET_ELEM_LIST_ELEMENTS);
      for (const auto& element : part) {
        const auto item = out.open(NFTA_LIST_ELEM);
        put_key(out, NFTA_SET_ELEM_KEY, element.key);
        if (element.last) put_key(out, NFTA_SET_ELEM_KEY_END, *element.last);
        if (element.interval_end) out.put_be32(NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
        if (type == NFT_MSG_NEWSETELEM && layout.kind != SetLayout::Kind::set) {
          put_data(out, element);
        }
        out.close(item);
      }
      out.close(list);
    });
  }
}

void TableBatch::add_elements(const SetLayout& layout, std::span<const SetElement> all) {
  elements(NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, layout, all);
}
void TableBatch::delete_elements(const SetLayout& layout, std::span<const SetElement> all) {
  elements(NFT_MSG_DELSETELEM, 0, layout, all);
}

Result<void> TableBatch::commit(NfnetlinkSocket& socket, std::span<const TableBatch> batches) {
  // Acknowledgements that nobody waits for any more.
  for (;;) {
    const auto stale = socket.receive();
    if (!stale && stale.error().code != std::errc::no_buffer_space) return stale.error();
    if (stale && !*stale) break;
  }
  std::vector<std::byte> bytes;
  batch_edge(bytes, NFNL_MSG_BATCH_BEGIN, socket.next_sequence());
  for (const auto& batch : batches) {
    const auto at = bytes.size();
    bytes.insert(bytes.end(), batch.bytes_.begin(), batch.bytes_.end());
    for (auto rest = std::span{bytes}.subspan(at); !rest.empty();) {
      std::uint32_t length = 0;
      std::memcpy(&length, rest.data(), sizeof(length));
      set_sequence(rest, socket.next_sequence());
      rest = rest.subspan(length);
    }
  }
  batch_edge(bytes, NFNL_MSG_BATCH_END, socket.next_sequence());
  if (auto sent = socket.send(bytes); !sent) return within("commit", sent.error());

  std::optional<Error> refused;
  for (;;) {
    const auto datagram = socket.receive();
    if (!datagram) return within("commit", datagram.error());
    if (!*datagram) break;
    for_each_message(**datagram, [&](const Message& message) {
      const auto ack = parse_acknowledgement(message);
      if (!ack || ack->error == 0 || refused) return;
      refused = proxy::system_error(
          ack->error, "commit the private table" + (ack->text.empty() ? "" : ": " + ack->text));
    });
  }
  if (refused) return *refused;
  return {};
}

namespace {

Result<bool> exists(NfnetlinkSocket& socket, std::uint8_t family, std::string_view table) {
  std::vector<std::byte> request;
  const auto at = open_nfnetlink_message(request, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE,
                                         NLM_F_REQUEST, socket.next_sequence(), family, 0);
  AttributeWriter{request}.put_text(NFTA_TABLE_NAME, table);
  close_message(request, at);
  if (auto sent = socket.send(request); !sent) return sent.error();
  bool exists = false;
  for (;;) {
    const auto datagram = socket.receive();
    if (!datagram) return datagram.error();
    if (!*datagram) return exists;
    for_each_message(**datagram, [&](const Message& message) {
      exists = exists || nf_tables_type(message) == NFT_MSG_NEWTABLE;
    });
  }
}

// NFTA_SET_ELEM_KEY { NFTA_DATA_VALUE } of each element of a message of a set's dump.
void collect_keys(const Message& message, std::vector<std::vector<std::byte>>& into) {
  for_each_attribute(message.attributes(), [&](const Attribute& list) {
    if (list.type != NFTA_SET_ELEM_LIST_ELEMENTS) return;
    for_each_attribute(list.payload, [&](const Attribute& element) {
      for_each_attribute(element.payload, [&](const Attribute& key) {
        if (key.type != NFTA_SET_ELEM_KEY) return;
        for_each_attribute(key.payload, [&](const Attribute& value) {
          if (value.type != NFTA_DATA_VALUE) return;
          into.emplace_back(value.payload.begin(), value.payload.end());
        });
      });
    });
  });
}

}  // namespace

Result<bool> table_exists(NfnetlinkSocket& socket, Family family, std::string_view table) {
  return exists(socket, nf_family(family), table);
}
Result<bool> arp_table_exists(NfnetlinkSocket& socket, std::string_view table) {
  return exists(socket, NFPROTO_ARP, table);
}

Result<std::vector<std::vector<std::byte>>> read_set(NfnetlinkSocket& socket, Family family,
                                                     std::string_view table, std::string_view set) {
  std::vector<std::byte> request;
  const auto at = open_nf_tables_message(request, NFT_MSG_GETSETELEM, NLM_F_REQUEST | NLM_F_DUMP,
                                         socket.next_sequence(), family);
  AttributeWriter out{request};
  out.put_text(NFTA_SET_ELEM_LIST_TABLE, table);
  out.put_text(NFTA_SET_ELEM_LIST_SET, set);
  close_message(request, at);
  if (auto sent = socket.send(request); !sent) return sent.error();
  std::vector<std::vector<std::byte>> keys;
  int error = 0;
  for (bool done = false; !done;) {
    const auto datagram = socket.receive();
    if (!datagram) return datagram.error();
    if (!*datagram) return proxy::system_error(EPROTO, "read a set: no answer");
    for_each_message(**datagram, [&](const Message& message) {
      if (message.type == NLMSG_DONE) done = true;
      if (const auto ack = parse_acknowledgement(message)) {
        done = true;
        error = ack->error;
      }
      if (nf_tables_type(message) == NFT_MSG_NEWSETELEM) collect_keys(message, keys);
    });
  }
  if (error != 0 && error != ENOENT) return proxy::system_error(error, "read a set");
  return keys;
}

}  // namespace modes::netfilter
