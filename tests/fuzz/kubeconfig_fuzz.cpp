// What people and programs write about how to reach the API server.
#include "proxy/sources/kubernetes/base64.hpp"
#include "proxy/sources/kubernetes/exec_plugin.hpp"
#include "proxy/sources/kubernetes/kubeconfig.hpp"
#include "proxy/sources/kubernetes/proxy_handshake.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace proxy::sources::kubernetes;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input{reinterpret_cast<const char*>(data), size};
  if (const auto access = read_kubeconfig(input, "/etc"); access && access->exec) {
    (void)exec_info(*access, "ca");
  }
  (void)read_exec_credential(input, "client.authentication.k8s.io/v1");
  if (const auto bytes = from_base64(input); bytes && from_base64(to_base64(*bytes)) != bytes) {
    std::abort();
  }
  for (const auto* url : {"http://proxy:3128", "socks5://user:pass@proxy"}) {
    ProxyHandshake handshake{*parse_proxy(url), *parse_server("https://server:6443")};
    for (const char byte : input) {
      (void)handshake.take_output();
      if (handshake.is_done() || !handshake.feed(byte)) break;
    }
  }
  const auto server = parse_server(input);
  if (server && *parse_server(server->text()) != *server) std::abort();
  return 0;
}
