#include "dns/forward/options.hpp"

#include "proxy/config/values.hpp"

namespace dns::forward {

namespace {

constexpr proxy::Port kDnsPort{53};
constexpr proxy::Port kTlsPort{853};  // RFC 7858 §3.1
constexpr std::string_view kTls = "tls://";

// The words of a line, up to a comment.
std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  std::size_t at = 0;
  while (true) {
    at = line.find_first_not_of(" \t\r", at);
    if (at == std::string_view::npos) return words;
    if (words.empty() && (line[at] == '#' || line[at] == ';')) return words;
    const auto end = std::min(line.find_first_of(" \t\r", at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end;
  }
}

}  // namespace

std::string UpstreamAddress::text() const {
  auto text = (tls ? std::string{kTls} : std::string{}) + address.text();
  if (!server_name.empty()) text += "#" + server_name;
  return text;
}

Result<UpstreamAddress> parse_upstream(std::string_view text) {
  UpstreamAddress upstream;
  auto rest = text;
  if (rest.starts_with(kTls)) {
    upstream.tls = true;
    rest.remove_prefix(kTls.size());
    if (const auto hash = rest.find('#'); hash != std::string_view::npos) {
      upstream.server_name = rest.substr(hash + 1);
      rest = rest.substr(0, hash);
    }
  }
  auto address = proxy::config::parse_socket_address(rest, upstream.tls ? kTlsPort : kDnsPort);
  if (!address) return proxy::within("\"" + std::string{text} + "\"", address.error());
  if (address->address.is_unspecified() || address->port.value == 0) {
    return proxy::invalid("\"" + std::string{text} + "\": nobody answers at such an address");
  }
  upstream.address = *address;
  return upstream;
}

ResolvConf parse_resolv_conf(std::string_view text) {
  ResolvConf conf;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto words = words_of(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (words.size() < 2) continue;
    if (words[0] == "nameserver") {
      const auto address = proxy::parse_ip(words[1].substr(0, words[1].find('%')));
      if (address) conf.name_servers.push_back({*address, kDnsPort});
    } else if (words[0] == "search" || words[0] == "domain") {
      conf.search.clear();  // the last line of either kind counts
      for (std::size_t i = 1; i < words.size(); ++i) {
        const auto domain = parse_name(words[i]);
        if (domain && domain->label_count() > 0) conf.search.push_back(*domain);
      }
    }
  }
  return conf;
}

}  // namespace dns::forward
