#include "modes/ipvs/ipvs_messages.hpp"

#include "modes/ipvs/libnl_socket.hpp"

#include <netinet/in.h>
#include <netlink/genl/genl.h>

#include <linux/ip_vs.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

namespace modes::ipvs {
namespace {

using proxy::Family;

constexpr std::size_t kLongestMessage = 512;
constexpr std::uint32_t kSchedulerFlags =
    IP_VS_SVC_F_SCHED1 | IP_VS_SVC_F_SCHED2 | IP_VS_SVC_F_SCHED3;

// Builds one message in libnl's buffer, which is large enough for any of ours.
class Writer {
 public:
  Writer(int family, std::uint32_t sequence, int flags, std::uint8_t command)
      : message_{nlmsg_alloc_size(kLongestMessage)} {
    if (!message_) throw std::bad_alloc{};
    genlmsg_put(message_.get(), NL_AUTO_PORT, sequence, family, 0, NLM_F_REQUEST | flags, command,
                IPVS_GENL_VERSION);
  }
  void append_to(std::vector<std::byte>& out) const { append_message(message_.get(), out); }

  void u16(int type, std::uint16_t value) { nla_put_u16(message_.get(), type, value); }
  void u32(int type, std::uint32_t value) { nla_put_u32(message_.get(), type, value); }
  void address(int type, const IpAddress& ip) {
    std::array<std::byte, sizeof(in6_addr)> bytes{};
    std::ranges::copy(ip.bytes(), bytes.begin());
    nla_put(message_.get(), type, bytes.size(), bytes.data());
  }
  void port(int type, Port port) { u16(type, htons(port.value)); }
  void text(int type, const std::string& text) {
    nla_put_string(message_.get(), type, text.c_str());
  }
  void flags(int type, std::uint32_t set, std::uint32_t mask) {
    const ip_vs_flags value{set, mask};
    nla_put(message_.get(), type, sizeof(value), &value);
  }
  nlattr* open(int type) { return nla_nest_start(message_.get(), type); }
  void close(nlattr* nest) { nla_nest_end(message_.get(), nest); }

 private:
  NlMessage message_;
};

std::uint16_t address_family(Family family) {
  return family == Family::v4 ? AF_INET : AF_INET6;
}

void put_identity(Writer& out, const VirtualServerKey& key) {
  out.u16(IPVS_SVC_ATTR_AF, address_family(key.address.family()));
  out.u16(IPVS_SVC_ATTR_PROTOCOL, static_cast<std::uint16_t>(key.protocol));
  out.address(IPVS_SVC_ATTR_ADDR, key.address);
  out.port(IPVS_SVC_ATTR_PORT, key.port);
}

void put_server(Writer& out, const VirtualServerKey& key) {
  auto* nest = out.open(IPVS_CMD_ATTR_SERVICE);
  put_identity(out, key);
  out.close(nest);
}

void put_server(Writer& out, const VirtualServerKey& key, const Scheduler& scheduler,
                std::chrono::seconds persistence) {
  auto* nest = out.open(IPVS_CMD_ATTR_SERVICE);
  put_identity(out, key);
  out.text(IPVS_SVC_ATTR_SCHED_NAME, scheduler.name);
  const bool persistent = persistence.count() > 0;
  out.flags(IPVS_SVC_ATTR_FLAGS,
            scheduler.flags | (persistent ? std::uint32_t{IP_VS_SVC_F_PERSISTENT} : 0),
            IP_VS_SVC_F_PERSISTENT | kSchedulerFlags);
  out.u32(IPVS_SVC_ATTR_TIMEOUT, static_cast<std::uint32_t>(persistence.count()));
  // Which clients stay together: each by itself. A mask in IPv4, a length in IPv6.
  out.u32(IPVS_SVC_ATTR_NETMASK, key.address.family() == Family::v4 ? 0xffffffff : 128);
  out.close(nest);
}

void put_real_server(Writer& out, const Endpoint& endpoint, std::optional<std::uint32_t> weight) {
  auto* nest = out.open(IPVS_CMD_ATTR_DEST);
  out.u16(IPVS_DEST_ATTR_ADDR_FAMILY, address_family(endpoint.address.family()));
  out.address(IPVS_DEST_ATTR_ADDR, endpoint.address);
  out.port(IPVS_DEST_ATTR_PORT, endpoint.port);
  if (weight) {
    out.u32(IPVS_DEST_ATTR_FWD_METHOD, IP_VS_CONN_F_MASQ);
    out.u32(IPVS_DEST_ATTR_WEIGHT, *weight);
    out.u32(IPVS_DEST_ATTR_U_THRESH, 0);
    out.u32(IPVS_DEST_ATTR_L_THRESH, 0);
  }
  out.close(nest);
}

std::uint8_t command_of(const Step& step) {
  struct Command {
    std::uint8_t operator()(const AddVirtualServer&) const { return IPVS_CMD_NEW_SERVICE; }
    std::uint8_t operator()(const ChangeVirtualServer&) const { return IPVS_CMD_SET_SERVICE; }
    std::uint8_t operator()(const RemoveVirtualServer&) const { return IPVS_CMD_DEL_SERVICE; }
    std::uint8_t operator()(const AddRealServer&) const { return IPVS_CMD_NEW_DEST; }
    std::uint8_t operator()(const RestoreRealServer&) const { return IPVS_CMD_SET_DEST; }
    std::uint8_t operator()(const DrainRealServer&) const { return IPVS_CMD_SET_DEST; }
    std::uint8_t operator()(const RemoveRealServer&) const { return IPVS_CMD_DEL_DEST; }
  };
  return std::visit(Command{}, step);
}

struct PutStep {
  Writer& out;

  void operator()(const AddVirtualServer& add) const {
    put_server(out, add.key, add.scheduler, add.persistence);
  }
  void operator()(const ChangeVirtualServer& change) const {
    put_server(out, change.key, change.scheduler, change.persistence);
  }
  void operator()(const RemoveVirtualServer& remove) const { put_server(out, remove.key); }
  void operator()(const AddRealServer& add) const { both(add.key, add.endpoint, 1); }
  void operator()(const RestoreRealServer& set) const { both(set.key, set.endpoint, 1); }
  void operator()(const DrainRealServer& drain) const { both(drain.key, drain.endpoint, 0); }
  void operator()(const RemoveRealServer& remove) const {
    both(remove.key, remove.endpoint, std::nullopt);
  }
  void both(const VirtualServerKey& key, const Endpoint& endpoint,
            std::optional<std::uint32_t> weight) const {
    put_server(out, key);
    put_real_server(out, endpoint, weight);
  }
};

// ── reading ─────────────────────────────────────────────────────────────────────────────────────

// The attributes of a nest by their type; null where one is absent.
template <int kMost>
class Attributes {
 public:
  explicit Attributes(nlattr* nest) {
    good_ = nla_parse_nested(all_.data(), kMost, nest, nullptr) == 0;
  }
  Attributes(nlmsghdr* message, int header) {
    good_ = nlmsg_parse(message, header, all_.data(), kMost, nullptr) == 0;
  }
  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] nlattr* operator[](int type) const {
    return all_.at(static_cast<std::size_t>(type));
  }

  template <class T>
  [[nodiscard]] std::optional<T> get(int type) const {
    auto* attribute = (*this)[type];
    if (attribute == nullptr || nla_len(attribute) < static_cast<int>(sizeof(T)))
      return std::nullopt;
    T value{};
    std::memcpy(&value, nla_data(attribute), sizeof(value));
    return value;
  }
  template <class T>
  [[nodiscard]] T get_or_zero(int type) const {
    return get<T>(type).value_or(T{});
  }

 private:
  std::array<nlattr*, kMost + 1> all_{};
  bool good_ = false;
};

std::optional<IpAddress> address_in(nlattr* attribute, Family family) {
  const auto size = proxy::address_size(family);
  if (attribute == nullptr || nla_len(attribute) < static_cast<int>(size)) return std::nullopt;
  return IpAddress::from_bytes(
      family, std::as_bytes(std::span{static_cast<const char*>(nla_data(attribute)), size}));
}

std::optional<Family> family_of(std::uint16_t address_family) {
  if (address_family == AF_INET) return Family::v4;
  if (address_family == AF_INET6) return Family::v6;
  return std::nullopt;
}

std::optional<Protocol> protocol_of(std::uint16_t number) {
  for (const auto protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp}) {
    if (static_cast<std::uint16_t>(protocol) == number) return protocol;
  }
  return std::nullopt;
}

Statistics parse_statistics(nlattr* nest) {
  if (nest == nullptr) return {};
  const Attributes<IPVS_STATS_ATTR_MAX> stats{nest};
  return {.connections = stats.get_or_zero<std::uint64_t>(IPVS_STATS_ATTR_CONNS),
          .packets_in = stats.get_or_zero<std::uint64_t>(IPVS_STATS_ATTR_INPKTS),
          .packets_out = stats.get_or_zero<std::uint64_t>(IPVS_STATS_ATTR_OUTPKTS),
          .bytes_in = stats.get_or_zero<std::uint64_t>(IPVS_STATS_ATTR_INBYTES),
          .bytes_out = stats.get_or_zero<std::uint64_t>(IPVS_STATS_ATTR_OUTBYTES)};
}

}  // namespace

void encode_step(const Step& step, int family, std::uint32_t sequence, int flags,
                 std::vector<std::byte>& out) {
  Writer writer{family, sequence, flags, command_of(step)};
  std::visit(PutStep{writer}, step);
  writer.append_to(out);
}

void encode_list_servers(int family, std::uint32_t sequence, std::vector<std::byte>& out) {
  Writer{family, sequence, NLM_F_DUMP, IPVS_CMD_GET_SERVICE}.append_to(out);
}

void encode_get_server(const VirtualServerKey& key, int family, std::uint32_t sequence,
                       std::vector<std::byte>& out) {
  Writer writer{family, sequence, NLM_F_ACK, IPVS_CMD_GET_SERVICE};
  put_server(writer, key);
  writer.append_to(out);
}

void encode_list_real_servers(const VirtualServerKey& key, int family, std::uint32_t sequence,
                              std::vector<std::byte>& out) {
  Writer writer{family, sequence, NLM_F_DUMP, IPVS_CMD_GET_DEST};
  put_server(writer, key);
  writer.append_to(out);
}

void encode_timeouts(const Settings& settings, int family, std::uint32_t sequence,
                     std::vector<std::byte>& out) {
  Writer writer{family, sequence, NLM_F_ACK, IPVS_CMD_SET_CONFIG};
  const auto put = [&](int type, std::chrono::seconds value) {
    if (value.count() > 0) writer.u32(type, static_cast<std::uint32_t>(value.count()));
  };
  put(IPVS_CMD_ATTR_TIMEOUT_TCP, settings.tcp_timeout);
  put(IPVS_CMD_ATTR_TIMEOUT_TCP_FIN, settings.tcp_fin_timeout);
  put(IPVS_CMD_ATTR_TIMEOUT_UDP, settings.udp_timeout);
  writer.append_to(out);
}

std::optional<std::pair<VirtualServerKey, ObservedVirtualServer>> parse_server(nlmsghdr* message) {
  const Attributes<IPVS_CMD_ATTR_MAX> top{message, GENL_HDRLEN};
  if (!top.good() || top[IPVS_CMD_ATTR_SERVICE] == nullptr) return std::nullopt;
  const Attributes<IPVS_SVC_ATTR_MAX> service{top[IPVS_CMD_ATTR_SERVICE]};
  if (!service.good() || service.get_or_zero<std::uint32_t>(IPVS_SVC_ATTR_FWMARK) != 0) {
    return std::nullopt;
  }
  const auto family = family_of(service.get_or_zero<std::uint16_t>(IPVS_SVC_ATTR_AF));
  const auto protocol = protocol_of(service.get_or_zero<std::uint16_t>(IPVS_SVC_ATTR_PROTOCOL));
  if (!family || !protocol) return std::nullopt;
  const auto ip = address_in(service[IPVS_SVC_ATTR_ADDR], *family);
  auto* name = service[IPVS_SVC_ATTR_SCHED_NAME];
  if (!ip || name == nullptr) return std::nullopt;
  const auto flags = service.get_or_zero<ip_vs_flags>(IPVS_SVC_ATTR_FLAGS).flags;
  const bool persistent = (flags & IP_VS_SVC_F_PERSISTENT) != 0;
  ObservedVirtualServer server;
  server.scheduler.name = std::string{
      static_cast<const char*>(nla_data(name)),
      ::strnlen(static_cast<const char*>(nla_data(name)), static_cast<std::size_t>(nla_len(name)))};
  server.scheduler.flags = flags & kSchedulerFlags;
  if (persistent) {
    server.persistence =
        std::chrono::seconds{service.get_or_zero<std::uint32_t>(IPVS_SVC_ATTR_TIMEOUT)};
  }
  server.statistics = parse_statistics(service[IPVS_SVC_ATTR_STATS64]);
  const Port port{ntohs(service.get_or_zero<std::uint16_t>(IPVS_SVC_ATTR_PORT))};
  return std::pair{VirtualServerKey{*ip, port, *protocol}, std::move(server)};
}

std::optional<ObservedRealServer> parse_real_server(Family family, nlmsghdr* message) {
  const Attributes<IPVS_CMD_ATTR_MAX> top{message, GENL_HDRLEN};
  if (!top.good() || top[IPVS_CMD_ATTR_DEST] == nullptr) return std::nullopt;
  const Attributes<IPVS_DEST_ATTR_MAX> dest{top[IPVS_CMD_ATTR_DEST]};
  if (!dest.good()) return std::nullopt;
  const auto of = dest.get<std::uint16_t>(IPVS_DEST_ATTR_ADDR_FAMILY);
  const auto ip =
      address_in(dest[IPVS_DEST_ATTR_ADDR], of ? family_of(*of).value_or(family) : family);
  if (!ip) return std::nullopt;
  const Port port{ntohs(dest.get_or_zero<std::uint16_t>(IPVS_DEST_ATTR_PORT))};
  const auto method =
      dest.get_or_zero<std::uint32_t>(IPVS_DEST_ATTR_FWD_METHOD) & IP_VS_CONN_F_FWD_MASK;
  return ObservedRealServer{
      .server = {.endpoint = {*ip, port},
                 .weight = dest.get_or_zero<std::uint32_t>(IPVS_DEST_ATTR_WEIGHT),
                 // The kernel keeps "this machine itself" in place of what it was told.
                 .masqueraded = method == IP_VS_CONN_F_MASQ || method == IP_VS_CONN_F_LOCALNODE},
      .active = dest.get_or_zero<std::uint32_t>(IPVS_DEST_ATTR_ACTIVE_CONNS),
      .inactive = dest.get_or_zero<std::uint32_t>(IPVS_DEST_ATTR_INACT_CONNS),
      .statistics = parse_statistics(dest[IPVS_DEST_ATTR_STATS64])};
}

}  // namespace modes::ipvs
