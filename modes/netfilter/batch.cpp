#include "modes/netfilter/batch.hpp"

#include "modes/netfilter/attributes.hpp"
#include "modes/netfilter/nf_tables_messages.hpp"
#include "modes/netfilter/rule_codec.hpp"

#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netlink.h>

#include <array>
#include <cassert>

namespace modes::netfilter {
namespace {

// iptables' built-in chains (iptables/nft.c's table of them; linux/netfilter_ipv4.h priorities).
struct BaseChain {
  Table table;
  std::string_view name;
  std::uint32_t hook;
  std::int32_t priority;
};
constexpr std::array kBaseChains{
    BaseChain{Table::nat, "PREROUTING", NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST},
    BaseChain{Table::nat, "INPUT", NF_INET_LOCAL_IN, NF_IP_PRI_NAT_SRC},
    BaseChain{Table::nat, "OUTPUT", NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST},
    BaseChain{Table::nat, "POSTROUTING", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC},
    BaseChain{Table::filter, "INPUT", NF_INET_LOCAL_IN, NF_IP_PRI_FILTER},
    BaseChain{Table::filter, "FORWARD", NF_INET_FORWARD, NF_IP_PRI_FILTER},
    BaseChain{Table::filter, "OUTPUT", NF_INET_LOCAL_OUT, NF_IP_PRI_FILTER},
};

const BaseChain& base_chain(const ChainKey& key) {
  for (const auto& chain : kBaseChains) {
    if (chain.table == key.table && chain.name == key.name.view()) return chain;
  }
  assert(false && "not a built-in chain");
  return kBaseChains.front();
}

class Encoder {
 public:
  Encoder(Batch& batch, std::uint32_t first_sequence) : batch_{batch}, sequence_{first_sequence} {}

  void begin(std::uint32_t generation) {
    const auto at = open_nfnetlink_message(batch_.bytes, NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST,
                                           sequence_++, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
    AttributeWriter{batch_.bytes}.put_be32(NFNL_BATCH_GENID, generation);
    close_message(batch_.bytes, at);
  }
  void end() {
    const auto at = open_nfnetlink_message(batch_.bytes, NFNL_MSG_BATCH_END, NLM_F_REQUEST,
                                           sequence_++, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
    close_message(batch_.bytes, at);
  }

  void encode(std::uint32_t index, const Operation& operation) {
    index_ = index;
    std::visit([this](const auto& op) { write(op); }, operation);
  }

 private:
  template <class Fill>
  void message(int type, int flags, Family family, std::uint32_t rule, Fill fill) {
    const auto at =
        open_nf_tables_message(batch_.bytes, type, NLM_F_REQUEST | flags, sequence_++, family);
    AttributeWriter out{batch_.bytes};
    fill(out);
    close_message(batch_.bytes, at);
    batch_.places.push_back({index_, rule});
  }

  void write(const AddTable& op) {
    message(NFT_MSG_NEWTABLE, NLM_F_CREATE, op.family, 0, [&](AttributeWriter& out) {
      out.put_text(NFTA_TABLE_NAME, to_string(op.table));
      out.put(NFTA_TABLE_USERDATA, ownership_mark());
    });
  }
  void write(const AddBaseChain& op) {
    message(NFT_MSG_NEWCHAIN, NLM_F_CREATE, op.chain.family, 0, [&](AttributeWriter& out) {
      const auto& base = base_chain(op.chain);
      out.put_text(NFTA_CHAIN_TABLE, to_string(op.chain.table));
      out.put_text(NFTA_CHAIN_NAME, base.name);
      out.put_text(NFTA_CHAIN_TYPE, base.table == Table::nat ? "nat" : "filter");
      const auto hook = out.open(NFTA_CHAIN_HOOK);
      out.put_be32(NFTA_HOOK_HOOKNUM, base.hook);
      out.put_be32(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(base.priority));
      out.close(hook);
      out.put_be32(NFTA_CHAIN_POLICY, NF_ACCEPT);
      out.put(NFTA_CHAIN_USERDATA, ownership_mark());
    });
  }
  void write(const AddChain& op) {
    message(NFT_MSG_NEWCHAIN, NLM_F_CREATE, op.chain.family, 0, [&](AttributeWriter& out) {
      out.put_text(NFTA_CHAIN_TABLE, to_string(op.chain.table));
      out.put_text(NFTA_CHAIN_NAME, op.chain.name.view());
      out.put(NFTA_CHAIN_USERDATA, ownership_mark());
    });
  }
  static void rule_chain(AttributeWriter& out, const ChainKey& chain) {
    out.put_text(NFTA_RULE_TABLE, to_string(chain.table));
    out.put_text(NFTA_RULE_CHAIN, chain.name.view());
  }
  void flush(const ChainKey& chain) {
    message(NFT_MSG_DELRULE, 0, chain.family, 0,
            [&](AttributeWriter& out) { rule_chain(out, chain); });
  }
  void add_rule(const ChainKey& chain, const Rule& rule, int where, std::uint32_t number) {
    message(NFT_MSG_NEWRULE, NLM_F_CREATE | where, chain.family, number, [&](AttributeWriter& out) {
      rule_chain(out, chain);
      encode_rule(chain.family, rule, batch_.bytes);
    });
  }
  void write(const RewriteChain& op) {
    if (!op.was_empty) flush(op.chain);
    for (std::uint32_t i = 0; i < op.rules.size(); ++i) {
      add_rule(op.chain, op.rules[i], NLM_F_APPEND, i);
    }
  }
  void write(const InsertRule& op) { add_rule(op.chain, op.rule, 0, 0); }
  void write(const AppendRule& op) { add_rule(op.chain, op.rule, NLM_F_APPEND, 0); }
  void write(const DeleteRule& op) {
    message(NFT_MSG_DELRULE, 0, op.chain.family, 0, [&](AttributeWriter& out) {
      rule_chain(out, op.chain);
      out.put_be64(NFTA_RULE_HANDLE, op.handle);
    });
  }
  void write(const DeleteChain& op) {
    flush(op.chain);
    message(NFT_MSG_DELCHAIN, 0, op.chain.family, 0, [&](AttributeWriter& out) {
      out.put_text(NFTA_CHAIN_TABLE, to_string(op.chain.table));
      out.put_text(NFTA_CHAIN_NAME, op.chain.name.view());
    });
  }

  void write(const DeleteTable& op) {
    message(NFT_MSG_DELTABLE, 0, op.family, 0,
            [&](AttributeWriter& out) { out.put_text(NFTA_TABLE_NAME, to_string(op.table)); });
  }

  Batch& batch_;
  std::uint32_t sequence_;
  std::uint32_t index_ = 0;
};

}  // namespace

void encode_batch(const Transaction& transaction, std::uint32_t generation,
                  std::uint32_t first_sequence, Batch& into) {
  into.bytes.clear();
  into.places.clear();
  into.begin_sequence = first_sequence;
  Encoder encoder{into, first_sequence};
  encoder.begin(generation);
  for (std::uint32_t i = 0; i < transaction.size(); ++i) encoder.encode(i, transaction[i]);
  encoder.end();
}

void collect_refusals(const Batch& batch, Bytes datagram, std::vector<Refusal>& into) {
  for_each_message(datagram, [&](const Message& message) {
    const auto ack = parse_acknowledgement(message);
    if (!ack || ack->error == 0) return;
    Refusal refusal{std::nullopt, ack->error, ack->text};
    // Sequence numbers wrap around; that of BEGIN gives an offset beyond all places.
    const auto offset = message.sequence - batch.begin_sequence - 1;
    if (offset < batch.places.size()) {
      refusal.place = batch.places[offset];
    }
    into.push_back(std::move(refusal));
  });
}

}  // namespace modes::netfilter
