#include "modes/userspace/steering/steering.hpp"

#include <algorithm>
#include <iterator>

namespace modes::userspace::steering {
namespace {

using netfilter::SetElement;
using netfilter::TableBatch;

std::size_t index(Family family) {
  return static_cast<std::size_t>(family);
}

// The elements of `from` that are not in `in`; both sorted.
template <class Element>
void encode_missing(const std::vector<Element>& from, const std::vector<Element>& in,
                    std::vector<SetElement>& out) {
  std::vector<Element> missing;
  std::ranges::set_difference(from, in, std::back_inserter(missing));
  std::ranges::transform(missing, std::back_inserter(out),
                         [](const Element& element) { return encode(element); });
}

struct Encoded {
  std::vector<SetElement> vips, node_ports, sources;

  void add_missing(const Elements& from, const Elements& in) {
    encode_missing(from.vips, in.vips, vips);
    encode_missing(from.node_ports, in.node_ports, node_ports);
    encode_missing(from.sources, in.sources, sources);
  }
  [[nodiscard]] std::size_t size() const {
    return vips.size() + node_ports.size() + sources.size();
  }
};

void write_fixed(TableBatch& batch, const FixedPart& fixed) {
  for (const auto& layout : fixed.sets) batch.add_set(layout);
  for (const auto& chain : fixed.chains) batch.add_chain(chain);
  for (const auto& chain : fixed.chains) batch.add_rules(chain);
}

void put_in(TableBatch& batch, const Encoded& elements) {
  batch.add_elements(vips_layout(), elements.vips);
  batch.add_elements(node_ports_layout(), elements.node_ports);
  batch.add_elements(sources_layout(), elements.sources);
}
void take_out(TableBatch& batch, const Encoded& elements) {
  batch.delete_elements(sources_layout(), elements.sources);
  batch.delete_elements(vips_layout(), elements.vips);
  batch.delete_elements(node_ports_layout(), elements.node_ports);
}

}  // namespace

// What an update takes out and puts in, by family.
struct Steering::Changes {
  std::array<Encoded, proxy::kFamilies.size()> gone, come;
  std::vector<std::pair<ServicePortName, Elements>> after;

  void change(const ServicePortName& name, const Elements& from, Elements to) {
    if (from == to) return;
    gone.at(index(name.family)).add_missing(from, to);
    come.at(index(name.family)).add_missing(to, from);
    after.emplace_back(name, std::move(to));
  }
};

Result<Steering> Steering::open(const Settings& settings) {
  auto socket = netfilter::NfnetlinkSocket::open();
  if (!socket) return socket.error();
  const auto taken = netfilter::table_exists(*socket, Family::v4, kTable);
  if (!taken) return taken.error();
  return Steering{settings, std::move(*socket), *taken ? kSecondTable : kTable};
}

bool Steering::has_successor() {
  const auto* other = table_ == kTable ? kSecondTable : kTable;
  const auto exists = netfilter::table_exists(socket_, Family::v4, other);
  return exists && *exists;
}

Elements Steering::wanted_elements(const ServiceTable& wanted, const ServicePortName& name) const {
  const auto* port = wanted.find(name);
  if (port == nullptr) return {};
  return elements_of(name, *port, facts_.at(index(name.family)).primary_ips);
}

Result<bool> Steering::in_place() {
  if (!built_) return false;
  for (const auto family : proxy::kFamilies) {
    const auto exists = netfilter::table_exists(socket_, family, table_);
    if (!exists || !*exists) return exists;
  }
  return true;
}

Result<SyncReport> Steering::reconcile(const ServiceTable& wanted, const FactsByFamily& facts) {
  const auto there = in_place();
  if (!there) return there.error();
  if (!*there || facts != facts_) {
    facts_ = facts;
    return rebuild(wanted);
  }
  std::vector<ServicePortName> all;
  wanted.for_each([&](const ServicePortName& name, const ServicePort&) { all.push_back(name); });
  for (const auto& [name, elements] : acknowledged_) {
    if (wanted.find(name) == nullptr) all.push_back(name);
  }
  return update(wanted, all);
}

Result<SyncReport> Steering::rebuild(const ServiceTable& wanted) {
  std::vector<TableBatch> batches;
  std::array<Encoded, proxy::kFamilies.size()> content;
  std::map<ServicePortName, Elements> after;
  wanted.for_each([&](const ServicePortName& name, const ServicePort&) {
    auto elements = wanted_elements(wanted, name);
    if (elements.empty()) return;
    content.at(index(name.family)).add_missing(elements, {});
    after.emplace(name, std::move(elements));
  });
  SyncReport report{.transactions = 1, .operations = 0, .set_aside = {}};
  for (const auto family : proxy::kFamilies) {
    auto& batch = batches.emplace_back(family, table_);
    const auto exists = netfilter::table_exists(socket_, family, table_);
    if (!exists) return exists.error();
    if (*exists) batch.delete_table();
    batch.add_table();
    write_fixed(batch, fixed_part(family, settings_, facts_.at(index(family))));
    put_in(batch, content.at(index(family)));
    report.operations += batch.messages();
  }
  built_ = false;
  if (auto done = TableBatch::commit(socket_, batches); !done) return done.error();
  built_ = true;
  acknowledged_ = std::move(after);
  return report;
}

Result<SyncReport> Steering::update(const ServiceTable& wanted,
                                    std::span<const ServicePortName> changed) {
  Changes changes;
  for (const auto& name : changed) {
    const auto it = acknowledged_.find(name);
    changes.change(name, it == acknowledged_.end() ? Elements{} : it->second,
                   wanted_elements(wanted, name));
  }
  SyncReport report;
  if (changes.after.empty()) return report;
  std::vector<TableBatch> batches;
  for (const auto family : proxy::kFamilies) {
    // What one service gives up another may take.
    auto& batch = batches.emplace_back(family, table_);
    take_out(batch, changes.gone.at(index(family)));
    put_in(batch, changes.come.at(index(family)));
    report.operations += changes.gone.at(index(family)).size();
    report.operations += changes.come.at(index(family)).size();
  }
  report.transactions = 1;
  if (auto done = TableBatch::commit(socket_, batches); !done) {
    built_ = false;  // whatever was wrong, the next reconcile begins anew
    return done.error();
  }
  for (auto& [name, elements] : changes.after) {
    if (elements.empty()) {
      acknowledged_.erase(name);
    } else {
      acknowledged_[name] = std::move(elements);
    }
  }
  return report;
}

Result<void> Steering::remove() {
  std::vector<TableBatch> batches;
  for (const auto family : proxy::kFamilies) {
    const auto exists = netfilter::table_exists(socket_, family, table_);
    if (!exists) return exists.error();
    if (*exists) batches.emplace_back(family, table_).delete_table();
  }
  built_ = false;
  acknowledged_.clear();
  if (batches.empty()) return {};
  return TableBatch::commit(socket_, batches);
}

}  // namespace modes::userspace::steering
