#include "dns/service_records.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace dns {

namespace {

template <class Address>
Address to_array(Bytes bytes) {
  Address address;
  std::copy(bytes.begin(), bytes.end(), address.begin());
  return address;
}

template <class Address>
void sort_unique(std::vector<Address>& addresses) {
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  addresses.shrink_to_fit();
}

bool less(Bytes a, Bytes b) {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
}

}  // namespace

bool ServiceFacts::has_protocol(Protocol protocol) const {
  return std::any_of(ports.begin(), ports.end(), [&](const PortFacts& port) {
    return port.protocol == protocol && !port.label.empty();
  });
}

bool ServiceFacts::has_address(Bytes address) const {
  const auto same = [&](const auto& own) {
    return std::equal(own.begin(), own.end(), address.begin(), address.end());
  };
  return std::ranges::any_of(v4.all(), same) || std::ranges::any_of(v6.all(), same);
}

EndpointTable::EndpointTable(std::span<const Entry> entries) {
  for (const auto& entry : entries) {
    if (entry.address.size() == 4) {
      v4_.push_back(to_array<V4>(entry.address));
    } else {
      v6_.push_back(to_array<V6>(entry.address));
    }
  }
  sort_unique(v4_);
  sort_unique(v6_);
  index_names(entries);
  group_ports(entries);
}

void EndpointTable::index_names(std::span<const Entry> entries) {
  std::map<std::string_view, std::uint32_t> offsets;
  for (const auto& entry : entries) {
    if (entry.label.empty()) continue;
    const auto [at, is_new] =
        offsets.emplace(entry.label, static_cast<std::uint32_t>(labels_.size()));
    if (is_new) labels_ += entry.label;
    named_.push_back({at->second, *find_address(entry.address)});
  }
  if (named_.empty()) return;
  std::sort(named_.begin(), named_.end(), [&](const Named& a, const Named& b) {
    if (a.label != b.label) return less(label_at(a.label), label_at(b.label));
    return a.index < b.index;
  });
  const auto same = [](const Named& a, const Named& b) {
    return a.label == b.label && a.index == b.index;
  };
  named_.erase(std::unique(named_.begin(), named_.end(), same), named_.end());
  named_.shrink_to_fit();
  labels_.shrink_to_fit();
  first_label_.assign(size(), kNoLabel);
  for (const auto& named : named_) {
    auto& first = first_label_[named.index];
    if (first == kNoLabel) first = named.label;
  }
}

void EndpointTable::group_ports(std::span<const Entry> entries) {
  const auto key = [](const PortFacts& p) { return std::tuple{p.label, p.protocol, p.port}; };
  std::map<std::tuple<std::string, Protocol, std::uint16_t>, std::set<Index>> members;
  for (const auto& entry : entries) {
    for (const auto& port : entry.ports) {
      members[key(port)].insert(*find_address(entry.address));
    }
  }
  for (auto& [port, indexes] : members) {
    PortGroup group{.port = {std::get<0>(port), std::get<1>(port), std::get<2>(port)},
                    .all = false,
                    .members = {}};
    std::set<std::uint32_t> seen;  // hostnames that this group already leads to
    for (const Index index : indexes) {
      const auto name = first_label_.empty() ? kNoLabel : first_label_[index];
      if (name == kNoLabel || seen.insert(name).second) group.members.push_back(index);
    }
    group.all = group.members.size() == size();
    if (group.all) group.members = {};
    group.members.shrink_to_fit();
    groups_.push_back(std::move(group));
  }
  groups_.shrink_to_fit();
}

std::optional<EndpointTable::Index> EndpointTable::find_address(Bytes address) const {
  const auto search = [&]<class Address>(const std::vector<Address>& sorted,
                                         std::size_t base) -> std::optional<Index> {
    const auto wanted = to_array<Address>(address);
    const auto at = std::lower_bound(sorted.begin(), sorted.end(), wanted);
    if (at == sorted.end() || *at != wanted) return std::nullopt;
    return static_cast<Index>(base + static_cast<std::size_t>(at - sorted.begin()));
  };
  return address.size() == 4 ? search(v4_, 0) : search(v6_, v4_.size());
}

Bytes EndpointTable::label_at(std::uint32_t offset) const {
  const auto all = bytes_of(labels_);
  return all.subspan(offset, std::size_t{all[offset]} + 1);
}

std::span<const EndpointTable::Named> EndpointTable::find_label(Bytes label) const {
  const auto first =
      std::lower_bound(named_.begin(), named_.end(), label,
                       [&](const Named& a, Bytes b) { return less(label_at(a.label), b); });
  auto last = first;
  while (last != named_.end() && std::ranges::equal(label_at(last->label), label)) ++last;
  return {first, last};
}

Bytes EndpointTable::label(Index index) const {
  if (first_label_.empty() || first_label_[index] == kNoLabel) return {};
  return label_at(first_label_[index]);
}

bool EndpointTable::has_protocol(Protocol protocol) const {
  return std::any_of(groups_.begin(), groups_.end(), [&](const PortGroup& group) {
    return group.port.protocol == protocol && !group.port.label.empty();
  });
}

}  // namespace dns
