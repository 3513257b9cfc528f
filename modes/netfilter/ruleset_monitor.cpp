#include "modes/netfilter/ruleset_monitor.hpp"

#include "modes/netfilter/nf_tables_messages.hpp"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>

namespace modes::netfilter {
namespace {

struct Generation {
  std::uint32_t id = 0;
  OutsideChange by;
};

Generation parse_generation(const Message& message) {
  Generation out;
  for_each_attribute(message.attributes(), [&](const Attribute& attribute) {
    switch (attribute.type) {
      case NFTA_GEN_ID:
        out.id = attribute.be32().value_or(0);
        break;
      case NFTA_GEN_PROC_PID:
        out.by.process_id = attribute.be32().value_or(0);
        break;
      case NFTA_GEN_PROC_NAME:
        out.by.process_name = attribute.text();
        break;
      default:
        break;
    }
  });
  return out;
}

// The table that a message is about: whatever it tells of, that attribute has the same number.
std::string_view table_of(const Message& message) {
  static_assert(NFTA_TABLE_NAME == 1 && NFTA_CHAIN_TABLE == 1 && NFTA_RULE_TABLE == 1 &&
                NFTA_SET_TABLE == 1 && NFTA_SET_ELEM_LIST_TABLE == 1);
  std::string_view table;
  for_each_attribute(message.attributes(), [&](const Attribute& attribute) {
    if (attribute.type == NFTA_TABLE_NAME) table = attribute.text();
  });
  return table;
}

bool is_our_table(const Message& message) {
  const auto name = table_of(message);
  return std::ranges::any_of(kTables, [&](Table table) { return to_string(table) == name; });
}

}  // namespace

Result<RulesetMonitor> RulesetMonitor::open(std::function<bool(const ChainKey&)> concerns,
                                            std::string private_table) {
  auto socket = NfnetlinkSocket::open();
  if (!socket) return socket.error();
  return RulesetMonitor{std::move(*socket), std::move(concerns), std::move(private_table)};
}

void RulesetMonitor::pause() {
  if (listening_) (void)socket_.leave(NFNLGRP_NFTABLES);
  listening_ = false;
  own_.clear();
}

Result<void> RulesetMonitor::resume() {
  // What was left in the queue was seen by nobody; what it was about has been checked by
  // generation.
  drain();
  own_.clear();
  touched_ = false;
  changed_.reset();
  if (auto joined = socket_.join(NFNLGRP_NFTABLES); !joined) return joined.error();
  listening_ = true;
  return {};
}

void RulesetMonitor::drain() {
  for (;;) {
    const auto datagram = socket_.receive();
    if (!datagram) {
      // Lost notifications may have been about us.
      if (!changed_) changed_ = OutsideChange{};
      if (datagram.error().code == std::errc::no_buffer_space) continue;
      return;
    }
    if (!*datagram) return;
    for_each_message(**datagram, [this](const Message& message) { read(message); });
  }
}

std::optional<OutsideChange> RulesetMonitor::take() {
  return std::exchange(changed_, std::nullopt);
}

void RulesetMonitor::read(const Message& message) {
  const auto type = nf_tables_type(message);
  if (type < 0) return;
  if (type != NFT_MSG_NEWGEN) {
    touched_ = touched_ || touches_us(type, message);
    return;
  }
  auto generation = parse_generation(message);
  const bool ours = own_.erase(generation.id) > 0;
  if (!ours && touched_) changed_ = std::move(generation.by);
  touched_ = false;
}

bool RulesetMonitor::touches_us(int type, const Message& message) const {
  if (!private_table_.empty() && table_of(message) == private_table_) return true;
  const auto family = ip_family(message);
  if (!family) return false;
  switch (type) {
    case NFT_MSG_DELTABLE:
      return is_our_table(message);
    case NFT_MSG_DELCHAIN: {
      const auto chain = parse_chain(*family, message.attributes());
      return chain && (chain->base || chain->marked || concerns_(chain->chain));
    }
    case NFT_MSG_NEWRULE:
    case NFT_MSG_DELRULE: {
      const auto rule = parse_rule(*family, message.attributes());
      if (!rule) return false;
      return concerns_(rule->chain) || (type == NFT_MSG_DELRULE && rule->rule.ours);
    }
    default:
      return false;
  }
}

}  // namespace modes::netfilter
