#include "proxy/state/vip_claims.hpp"

#include <cassert>

namespace proxy::state {

std::string Vip::text() const {
  const auto transport = std::to_string(port.value) + "/" + std::string{upper_name(protocol)};
  if (address.is_unspecified()) {
    return "node port " + transport + " (" + std::string{to_string(address.family())} + ")";
  }
  const auto ip = address.text();
  return (address.family() == Family::v6 ? "[" + ip + "]" : ip) + ":" + transport;
}

std::size_t VipClaims::VipHash::operator()(const Vip& vip) const noexcept {
  // Ports differ most in their low bits and addresses in theirs: keep them apart by a multiplier
  // (2^64 divided by the golden ratio).
  const std::size_t transport =
      std::size_t{vip.port.value} << 8 | static_cast<std::uint8_t>(vip.protocol);
  return std::hash<IpAddress>{}(vip.address) ^ (transport * 0x9e3779b97f4a7c15U);
}

std::optional<Claim> VipClaims::add(const Vip& vip, VipRole role, const ServicePortName& claimant) {
  const Claim claim{role, &claimant};
  const auto [at, is_first] = claims_.try_emplace(vip, Claims{claim, nullptr});
  if (is_first) return std::nullopt;

  auto& [owner, others] = at->second;
  if (!others) others = std::make_unique<OtherClaims>();
  if (StrongerFirst{}(owner, claim)) {
    others->insert(claim);
    return std::nullopt;
  }
  const auto displaced = std::exchange(owner, claim);
  others->insert(displaced);
  return displaced;
}

std::optional<Claim> VipClaims::remove(const Vip& vip, VipRole role,
                                       const ServicePortName& claimant) {
  const auto at = claims_.find(vip);
  assert(at != claims_.end());
  auto& [owner, others] = at->second;
  if (owner.claimant != &claimant) {
    others->erase({role, &claimant});
    if (others->empty()) others.reset();
    return std::nullopt;
  }
  if (!others) {
    claims_.erase(at);
    return std::nullopt;
  }
  owner = others->extract(others->begin()).value();
  if (others->empty()) others.reset();
  return owner;
}

const ServicePortName* VipClaims::owner(const Vip& vip) const {
  const auto at = claims_.find(vip);
  return at == claims_.end() ? nullptr : at->second.owner.claimant;
}

}  // namespace proxy::state
