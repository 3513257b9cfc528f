#include "modes/userspace/steering/chains.hpp"

#include "modes/netfilter/native_rule.hpp"
#include "modes/userspace/steering/elements.hpp"

#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>

#include <algorithm>
#include <string>

namespace modes::userspace::steering {
namespace {

using netfilter::NativeChain;
using netfilter::NativeRule;

enum class Point : std::uint8_t { in, out, nat_in, nat_out };
constexpr std::array kPoints{Point::in, Point::out, Point::nat_in, Point::nat_out};
constexpr std::array kEntranceNames{"inside", "masked", "outside"};

bool translates(Point point) {
  return point == Point::nat_in || point == Point::nat_out;
}
std::string prefix(Point point) {
  switch (point) {
    case Point::in:
      return "in-";
    case Point::out:
      return "out-";
    case Point::nat_in:
      return "nat-in-";
    case Point::nat_out:
      return "nat-out-";
  }
  return {};
}
NativeChain::Hook hook(Point point) {
  switch (point) {
    case Point::in:
      return {"filter", NF_INET_PRE_ROUTING, NF_IP_PRI_MANGLE};
    case Point::out:
      return {"route", NF_INET_LOCAL_OUT, NF_IP_PRI_MANGLE};
    case Point::nat_in:
      return {"nat", NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST};
    case Point::nat_out:
      return {"nat", NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST};
  }
  return {};
}
const char* base_name(Point point) {
  switch (point) {
    case Point::in:
      return "prerouting";
    case Point::out:
      return "output";
    case Point::nat_in:
      return "prerouting-nat";
    case Point::nat_out:
      return "output-nat";
  }
  return "";
}

IpPrefix loopback_range(Family family) {
  return family == Family::v4 ? IpPrefix::of(IpAddress::loopback(family), 8)
                              : IpPrefix::host(IpAddress::loopback(family));
}

class Builder {
 public:
  Builder(Family family, const Settings& settings, const Facts& facts)
      : family_{family}, settings_{settings}, facts_{facts} {}

  FixedPart build() && {
    out_.sets = {vips_layout(), node_ports_layout(), sources_layout()};
    for (const auto point : kPoints) {
      add_base(point);
      for (const auto fate :
           {Fate::cluster_ip, Fate::external, Fate::by_policy, Fate::outside, Fate::inside_only}) {
        add_fate(point, fate);
      }
      if (!translates(point)) add_refusals(point);
      for (std::size_t i = 0; i < kEntrances; ++i) add_entrance(point, static_cast<Entrance>(i));
      add_fates(point);
    }
    return std::move(out_);
  }

 private:
  [[nodiscard]] NativeRule rule() const { return NativeRule{family_}; }
  NativeChain& chain(const std::string& name) {
    out_.chains.push_back({name, std::nullopt, {}});
    return out_.chains.back();
  }
  static void add(NativeChain& chain, const NativeRule& rule) {
    chain.rules.push_back(rule.bytes());
  }
  static std::string entrance(Point point, Entrance entrance) {
    return prefix(point) + kEntranceNames.at(static_cast<std::size_t>(entrance));
  }
  static std::string fate_chain(Point point, Fate fate) {
    constexpr std::array kNames{"",         "cluster-ip",  "external", "by-policy",
                                "from-all", "inside-only", "reject",   "drop"};
    return prefix(point) + kNames.at(static_cast<std::size_t>(fate));
  }
  // The chains that tell fates apart, of a VIP and of a node port.
  static std::string vip_fates(Point point) { return prefix(point) + "vip"; }
  static std::string port_fates(Point point) { return prefix(point) + "node-port"; }

  void add_base(Point point) {
    auto& base = chain(base_name(point));
    base.hook = hook(point);
    add(base, rule().mark(kOwnMark, kOwnMark).accept());
    // Answers to connections that bear a client's address find our socket.
    if (point == Point::in && settings_.transparent) {
      add(base, rule().transparent_socket().set_mark(kSteeredMark, kSteeredMark).accept());
    }
    // What was let in goes on; chains of type nat see only the first packet anyhow.
    if (!translates(point)) add(base, rule().protocol(Protocol::tcp).not_new().accept());
    add(base, rule().vip_number(kVips, 0, false).go_to(vip_fates(point)));
    add_node_ports(base, point);
  }

  void add_node_ports(NativeChain& base, Point point) {
    const auto loopback = loopback_range(family_);
    const bool never = !settings_.localhost_node_ports ||
                       (family_ == Family::v6 && !settings_.node_port_addresses.loopback_v6);
    const auto limits = settings_.node_port_addresses.limits(family_, facts_.primary_ips);
    // As kube-proxy has it, what is refused is refused on every address of the node.
    if (point == Point::in && (never || !limits.empty())) {
      refuse_node_port(base, Fate::external_reject, Fate::reject);
      refuse_node_port(base, Fate::external_drop, Fate::drop);
    }
    if (never) {
      if (point == Point::in) {
        add(base, rule()
                      .destination(loopback)
                      .port_number(kNodePorts, static_cast<std::uint32_t>(Fate::inside_only))
                      .go_to(fate_chain(point, Fate::drop)));
      }
      add(base, rule().destination(loopback).accept());
    } else if (point == Point::in || point == Point::nat_in) {
      // Only this machine itself may speak to its loopback addresses; to let it be translated
      // would lead it past the kernel's own check.
      add(base, rule().in_interface("lo", false).destination(loopback).accept());
    }
    if (limits.empty()) {
      add(base,
          rule().destination_is_local().port_number(kNodePorts, 0, false).go_to(port_fates(point)));
      return;
    }
    for (const auto& limit : limits) {
      add(base, rule()
                    .destination(limit)
                    .destination_is_local()
                    .port_number(kNodePorts, 0, false)
                    .go_to(port_fates(point)));
    }
    // Where pods and this node are not served either.
    if (point == Point::in) refuse_node_port(base, Fate::inside_only, Fate::drop);
  }

  void refuse_node_port(NativeChain& base, Fate of, Fate by) {
    add(base, rule()
                  .port_number(kNodePorts, static_cast<std::uint32_t>(of))
                  .destination_is_local()
                  .go_to(fate_chain(Point::in, by)));
  }

  // Rules that match pods of this node; none if that can't be told.
  [[nodiscard]] std::optional<NativeRule> pods() const {
    const auto by_prefix = [&](const std::vector<IpPrefix>& prefixes) -> std::optional<NativeRule> {
      const auto it = std::ranges::find(prefixes, family_, &IpPrefix::family);
      if (it == prefixes.end()) return std::nullopt;
      return rule().source(*it);
    };
    if (const auto* by = std::get_if<LocalByPrefix>(&settings_.local)) {
      return by_prefix(by->prefixes);
    }
    if (std::holds_alternative<LocalByNodePrefix>(settings_.local)) {
      return by_prefix(facts_.pod_cidrs);
    }
    return rule().in_interface(std::get<LocalByInterface>(settings_.local).pattern);
  }

  void add_fate(Point point, Fate fate) {
    auto& to = chain(fate_chain(point, fate));
    const auto go = [&](NativeRule from, Entrance by) { add(to, from.go_to(entrance(point, by))); };
    switch (fate) {
      case Fate::cluster_ip:
        if (settings_.masquerade_all) return go(rule(), Entrance::masked);
        if (const auto local = pods()) {
          go(*local, Entrance::inside);
          go(rule(), Entrance::masked);
        } else {
          go(rule(), Entrance::inside);
        }
        return;
      case Fate::external:
        return go(rule(), Entrance::masked);
      case Fate::outside:
        return go(rule(), Entrance::outside);
      case Fate::by_policy:
      case Fate::inside_only:
        if (const auto local = pods()) go(*local, Entrance::inside);
        go(rule().source_is_local(), Entrance::masked);
        if (fate == Fate::by_policy) return go(rule(), Entrance::outside);
        if (!translates(point)) add(to, rule().drop());
        return;
      case Fate::reject:
      case Fate::drop:
      case Fate::external_reject:
      case Fate::external_drop:
        return;
    }
  }

  void add_refusals(Point point) {
    add(chain(fate_chain(point, Fate::reject)), rule().reject());
    add(chain(fate_chain(point, Fate::drop)), rule().drop());
    for (const auto fate : kGuardable) {
      auto& guarded = chain("guarded-" + fate_chain(point, fate));
      add(guarded, rule().vip_and_source_in(kSources).go_to(fate_chain(point, fate)));
      add(guarded, rule().drop());
    }
  }

  void add_entrance(Point point, Entrance by) {
    auto& to = chain(entrance(point, by));
    const auto index = static_cast<std::size_t>(by);
    const auto udp = facts_.ports.udp.at(index);
    const auto tcp = facts_.ports.tcp.at(index);
    switch (point) {
      case Point::in:
        add(to, rule()
                    .protocol(Protocol::udp)
                    .tproxy(udp)
                    .set_mark(kSteeredMark, kSteeredMark)
                    .accept());
        return;
      case Point::out:
        add(to, rule().protocol(Protocol::udp).set_mark(kSteeredMark, kSteeredMark).accept());
        return;
      case Point::nat_in:
        if (facts_.node_address) {
          add(to, rule().protocol(Protocol::tcp).dnat(*facts_.node_address, tcp));
        }
        return;
      case Point::nat_out:
        add(to, rule().protocol(Protocol::tcp).redirect(tcp));
        return;
    }
  }

  // The most frequent fate first.
  void add_fates(Point point) {
    std::vector<std::pair<std::uint32_t, std::string>> fates;
    const auto lead = [&](Fate fate, std::uint32_t more, const std::string& to) {
      fates.emplace_back(static_cast<std::uint32_t>(fate) | more, to);
    };
    const bool refuses = !translates(point);
    lead(Fate::cluster_ip, 0, fate_chain(point, Fate::cluster_ip));
    for (const auto fate : kGuardable) lead(fate, 0, fate_chain(point, fate));
    // What was not in the ranges has been dropped before it is translated.
    for (const auto fate : kGuardable) {
      lead(fate, kGuarded, (refuses ? "guarded-" : "") + fate_chain(point, fate));
    }
    if (refuses) {
      lead(Fate::reject, 0, fate_chain(point, Fate::reject));
      lead(Fate::drop, 0, fate_chain(point, Fate::drop));
    }
    if (point == Point::in) {
      lead(Fate::external_reject, 0, fate_chain(point, Fate::reject));
      lead(Fate::external_drop, 0, fate_chain(point, Fate::drop));
    }
    auto& vips = chain(vip_fates(point));
    for (const auto& [number, to] : fates) add(vips, rule().vip_number(kVips, number).go_to(to));
    auto& ports = chain(port_fates(point));
    for (const auto& [number, to] : fates) {
      add(ports, rule().port_number(kNodePorts, number).go_to(to));
    }
  }

  static constexpr std::array kGuardable{Fate::external, Fate::by_policy, Fate::outside,
                                         Fate::inside_only};

  Family family_;
  const Settings& settings_;
  const Facts& facts_;
  FixedPart out_;
};

}  // namespace

FixedPart fixed_part(Family family, const Settings& settings, const Facts& facts) {
  return Builder{family, settings, facts}.build();
}

}  // namespace modes::userspace::steering
