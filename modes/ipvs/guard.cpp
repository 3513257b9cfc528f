#include "modes/ipvs/guard.hpp"

#include <map>

namespace modes::ipvs {
namespace {

using netfilter::SetElement;
using netfilter::TableBatch;

// The elements of one table.
struct Elements {
  std::map<Fate, std::vector<SetElement>> vips, node_ports;
  std::vector<SetElement> addresses, sources, silent;

  template <class Visit>
  void for_each_set(Visit visit) const {
    for (const auto& [fate, elements] : vips) visit(vips_layout(fate), elements);
    for (const auto& [fate, elements] : node_ports) visit(node_ports_layout(fate), elements);
    visit(addresses_layout(), addresses);
    visit(sources_layout(), sources);
  }
  void add_to(TableBatch& batch) const {
    for_each_set([&](const auto& set, const auto& all) { batch.add_elements(set, all); });
  }
  void remove_from(TableBatch& batch) const {
    for_each_set([&](const auto& set, const auto& all) { batch.delete_elements(set, all); });
  }
};

std::size_t index(Family family) {
  return static_cast<std::size_t>(family);
}
using ByFamily = std::array<Elements, proxy::kFamilies.size()>;

ByFamily all_of(const Holdings& holdings) {
  ByFamily out;
  holdings.vips.for_each([&](const VirtualServerKey& key, Fate fate) {
    out.at(index(key.address.family())).vips[fate].push_back(vip_element(key));
  });
  holdings.node_ports.for_each([&](const NodePortKey& key, Fate fate) {
    out.at(index(key.family)).node_ports[fate].push_back(node_port_element(key));
  });
  holdings.addresses.for_each([&](const IpAddress& ip, std::monostate) {
    out.at(index(ip.family())).addresses.push_back(address_element(ip));
  });
  holdings.sources.for_each([&](const AllowedSource& source, std::monostate) {
    out.at(index(source.source.family())).sources.push_back(source_element(source));
  });
  holdings.silent.for_each([&](const IpAddress& ip, std::monostate) {
    if (ip.family() == Family::v4) out.front().silent.push_back(address_element(ip));
  });
  return out;
}

// Of the changes, what goes (with the value it had) or what comes.
template <class Change, class Visit>
void for_each_side(const std::vector<Change>& changes, bool come, Visit visit) {
  for (const auto& [key, before, after] : changes) {
    const auto& side = come ? after : before;
    if (side) visit(key, *side);
  }
}

ByFamily side_of(const GuardChanges& changes, bool come) {
  ByFamily out;
  for_each_side(changes.vips, come, [&](const VirtualServerKey& key, Fate fate) {
    out.at(index(key.address.family())).vips[fate].push_back(vip_element(key));
  });
  for_each_side(changes.node_ports, come, [&](const NodePortKey& key, Fate fate) {
    out.at(index(key.family)).node_ports[fate].push_back(node_port_element(key));
  });
  for_each_side(changes.addresses, come, [&](const IpAddress& ip, std::monostate) {
    out.at(index(ip.family())).addresses.push_back(address_element(ip));
  });
  for_each_side(changes.sources, come, [&](const AllowedSource& source, std::monostate) {
    out.at(index(source.source.family())).sources.push_back(source_element(source));
  });
  for_each_side(changes.silent, come, [&](const IpAddress& ip, std::monostate) {
    if (ip.family() == Family::v4) out.front().silent.push_back(address_element(ip));
  });
  return out;
}

// A value that is replaced goes and comes in the same transaction: never is there none.
template <class Change>
std::vector<Change> replaced(const std::vector<Change>& changes) {
  std::vector<Change> out;
  for (const auto& change : changes) {
    if (change.before && change.after) out.push_back(change);
  }
  return out;
}
template <class Change>
std::vector<Change> gone_for_good(const std::vector<Change>& changes) {
  std::vector<Change> out;
  for (const auto& change : changes) {
    if (change.before && !change.after) out.push_back(change);
  }
  return out;
}

}  // namespace

bool Legacy::holds(const VirtualServerKey& key) const {
  return vips.contains(key) || node_ports.contains({key.address.family(), key.protocol, key.port});
}

GuardChanges GuardChanges::take_from(Holdings& holdings) {
  return {.vips = holdings.vips.take_changes(),
          .node_ports = holdings.node_ports.take_changes(),
          .addresses = holdings.addresses.take_changes(),
          .silent = holdings.silent.take_changes(),
          .sources = holdings.sources.take_changes()};
}

std::size_t GuardChanges::size() const {
  return vips.size() + node_ports.size() + addresses.size() + silent.size() + sources.size();
}

Result<Guard> Guard::open(const Settings& settings) {
  auto socket = netfilter::NfnetlinkSocket::open();
  if (!socket) return socket.error();
  return Guard{settings, std::move(*socket)};
}

Result<Legacy> Guard::legacy() {
  Legacy out;
  for (const auto family : proxy::kFamilies) {
    const auto there = netfilter::table_exists(socket_, family, kGuardTable);
    if (!there) return there.error();
    if (!*there) continue;
    out.there = true;
    for (const auto fate : kVipFates) {
      const auto keys = netfilter::read_set(socket_, family, kGuardTable, vips_layout(fate).name);
      if (!keys) return keys.error();
      for (const auto& key : *keys) {
        if (const auto vip = parse_vip(family, key)) out.vips.insert(*vip);
      }
    }
    for (const auto fate : kNodePortFates) {
      const auto keys =
          netfilter::read_set(socket_, family, kGuardTable, node_ports_layout(fate).name);
      if (!keys) return keys.error();
      for (const auto& key : *keys) {
        if (const auto port = parse_node_port(family, key)) out.node_ports.insert(*port);
      }
    }
  }
  return out;
}

Result<std::size_t> Guard::rebuild(const Holdings& holdings, const NodeFacts& node) {
  auto done = try_rebuild(holdings, node, hairpins_, arp_);
  if (done || done.error().code == std::errc::interrupted) return done;
  // A kernel without xt_bpf, or without tables for arp, does the rest all the same.
  struct Attempt {
    Hairpins hairpins;
    bool arp;
  };
  for (const auto& [hairpins, arp] :
       {Attempt{Hairpins::masqueraded, false}, Attempt{Hairpins::left_as_they_are, true},
        Attempt{Hairpins::left_as_they_are, false}}) {
    auto partly = try_rebuild(holdings, node, hairpins, arp);
    if (!partly) continue;
    if (hairpins != hairpins_) {
      limits_.emplace_back(
          "pods that reach themselves through a service are not answered: the "
          "kernel has no xt_bpf (" +
          done.error().text() + ")");
    }
    if (arp != arp_) {
      limits_.emplace_back(
          "VIPs are answered for by ARP unless --ipvs-strict-arp is set: the kernel "
          "has no nf_tables for arp (" +
          done.error().text() + ")");
    }
    hairpins_ = hairpins;
    arp_ = arp;
    return partly;
  }
  return done;
}

Result<std::size_t> Guard::try_rebuild(const Holdings& holdings, const NodeFacts& node,
                                       Hairpins hairpins, bool arp) {
  const auto elements = all_of(holdings);
  std::vector<TableBatch> batches;
  std::size_t messages = 0;
  for (const auto family : proxy::kFamilies) {
    const auto there = netfilter::table_exists(socket_, family, kGuardTable);
    if (!there) return there.error();
    auto& batch = batches.emplace_back(family, kGuardTable);
    if (*there) batch.delete_table();
    write_guard(batch, family, settings_, node, hairpins);
    elements.at(index(family)).add_to(batch);
    messages += batch.messages();
  }
  if (arp) {
    const auto there = netfilter::arp_table_exists(socket_, kGuardTable);
    if (!there) return there.error();
    auto& batch = batches.emplace_back(TableBatch::for_arp(kGuardTable));
    if (*there) batch.delete_table();
    write_arp_guard(batch);
    batch.add_elements(silent_layout(), elements.front().silent);
    messages += batch.messages();
  }
  if (auto done = TableBatch::commit(socket_, batches); !done) return done.error();
  return messages;
}

Result<std::size_t> Guard::add(const GuardChanges& changes) {
  std::vector<TableBatch> batches;
  std::size_t messages = 0;
  const GuardChanges first{.vips = replaced(changes.vips),
                           .node_ports = replaced(changes.node_ports),
                           .addresses = {},
                           .silent = {},
                           .sources = {}};
  const auto before = side_of(first, false);
  const auto after = side_of(changes, true);
  for (const auto family : proxy::kFamilies) {
    auto& batch = batches.emplace_back(family, kGuardTable);
    before.at(index(family)).remove_from(batch);
    after.at(index(family)).add_to(batch);
    messages += batch.messages();
  }
  if (arp_) {
    auto& batch = batches.emplace_back(TableBatch::for_arp(kGuardTable));
    batch.add_elements(silent_layout(), after.front().silent);
    messages += batch.messages();
  }
  if (messages == 0) return messages;
  if (auto done = TableBatch::commit(socket_, batches); !done) return done.error();
  return messages;
}

Result<std::size_t> Guard::remove(const GuardChanges& changes) {
  std::vector<TableBatch> batches;
  std::size_t messages = 0;
  const GuardChanges last{.vips = gone_for_good(changes.vips),
                          .node_ports = gone_for_good(changes.node_ports),
                          .addresses = gone_for_good(changes.addresses),
                          .silent = gone_for_good(changes.silent),
                          .sources = gone_for_good(changes.sources)};
  const auto gone = side_of(last, false);
  for (const auto family : proxy::kFamilies) {
    auto& batch = batches.emplace_back(family, kGuardTable);
    gone.at(index(family)).remove_from(batch);
    messages += batch.messages();
  }
  if (arp_) {
    auto& batch = batches.emplace_back(TableBatch::for_arp(kGuardTable));
    batch.delete_elements(silent_layout(), gone.front().silent);
    messages += batch.messages();
  }
  if (messages == 0) return messages;
  if (auto done = TableBatch::commit(socket_, batches); !done) return done.error();
  return messages;
}

Result<bool> Guard::remove_all() {
  std::vector<TableBatch> batches;
  for (const auto family : proxy::kFamilies) {
    const auto there = netfilter::table_exists(socket_, family, kGuardTable);
    if (!there) return there.error();
    if (*there) batches.emplace_back(family, kGuardTable).delete_table();
  }
  const auto there = netfilter::arp_table_exists(socket_, kGuardTable);
  if (!there) return there.error();
  if (*there) batches.emplace_back(TableBatch::for_arp(kGuardTable)).delete_table();
  if (batches.empty()) return false;
  if (auto done = TableBatch::commit(socket_, batches); !done) return done.error();
  return true;
}

}  // namespace modes::ipvs
