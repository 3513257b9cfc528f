#include "modes/iptables/chain_names.hpp"

#include <openssl/sha.h>

#include <algorithm>
#include <array>

namespace modes::iptables {

std::string base32_hash(std::string_view text) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  constexpr std::size_t kCharacters = 16;
  std::array<unsigned char, SHA256_DIGEST_LENGTH> sum{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), sum.data());
  std::string out;
  out.reserve(kCharacters);
  std::uint32_t bits = 0;
  int held = 0;
  for (std::size_t i = 0; out.size() < kCharacters; ++i) {
    bits = bits << 8 | sum[i];
    for (held += 8; held >= 5 && out.size() < kCharacters; held -= 5) {
      out += kAlphabet[bits >> (held - 5) & 31];
    }
  }
  return out;
}

std::string hashed_string(const ServicePortName& name) {
  return name.text() + std::string{lower_name(name.protocol)};
}

ServiceChainNames::ServiceChainNames(const ServicePortName& name)
    : hash{base32_hash(hashed_string(name))} {
  cluster = ChainName{"KUBE-SVC-" + hash};
  local = ChainName{"KUBE-SVL-" + hash};
  external = ChainName{"KUBE-EXT-" + hash};
  firewall = ChainName{"KUBE-FW-" + hash};
}

ChainName endpoint_chain(const std::string& hashed_service, const Endpoint& endpoint) {
  return ChainName{"KUBE-SEP-" + base32_hash(hashed_service + endpoint.text())};
}

bool is_endpoint_chain(std::string_view name) {
  return name.starts_with("KUBE-SEP-");
}

bool is_service_chain(std::string_view name) {
  constexpr std::array<std::string_view, 8> kPrefixes{"KUBE-SVC-",  "KUBE-SVL-", "KUBE-EXT-",
                                                      "KUBE-FW-",   "KUBE-SEP-", "KUBE-SVCT-",
                                                      "KUBE-SVCE-", "KUBE-SVLE-"};
  return std::ranges::any_of(kPrefixes, [&](auto prefix) { return name.starts_with(prefix); });
}

}  // namespace modes::iptables
