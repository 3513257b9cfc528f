#include "proxy/sources/kubernetes/proxy_choice.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proxy::sources::kubernetes {
namespace {

bool excepts(std::string_view text, std::string_view server) {
  return ProxyExceptions{text}.holds(parse_server(server).value());
}

std::string proxy_of(const ProxyVariables& variables, std::string_view server) {
  const auto choice = ProxyChoice::from(variables).value();
  const auto& proxy = choice.in_front_of(parse_server(server).value());
  return proxy ? proxy->text() : "";
}

TEST(ProxyChoice, TheSchemeOfTheServerTellsTheVariable) {
  const ProxyVariables variables{.http = "http://a:1", .https = "b:2", .none = ""};
  EXPECT_EQ(proxy_of(variables, "http://api"), "http://a:1");
  EXPECT_EQ(proxy_of(variables, "https://api"), "http://b:2");
  EXPECT_EQ(proxy_of({}, "https://api"), "");
}

TEST(ProxyChoice, AKubeconfigsProxyKnowsNoExceptions) {
  auto choice = ProxyChoice::from({.http = "", .https = "b:2", .none = "*"}).value();
  choice.always = parse_proxy("http://c:3").value();
  EXPECT_EQ(choice.in_front_of(parse_server("https://127.0.0.1").value())->text(), "http://c:3");
}

TEST(ProxyChoice, AProxyThatCantBeUsedIsNamed) {
  const auto choice = ProxyChoice::from({.http = "", .https = "ftp://x", .none = ""});
  ASSERT_FALSE(choice);
  EXPECT_THAT(choice.error().text(), testing::StartsWith("HTTPS_PROXY: "));
}

TEST(ProxyExceptions, ThisHostIsAlwaysSpokenToDirectly) {
  EXPECT_TRUE(excepts("", "https://localhost:6443"));
  EXPECT_TRUE(excepts("", "https://127.8.0.1:6443"));
  EXPECT_TRUE(excepts("", "https://[::1]:6443"));
  EXPECT_FALSE(excepts("", "https://10.0.0.1:6443"));
}

TEST(ProxyExceptions, ANameCountsWithItsSubdomains) {
  EXPECT_TRUE(excepts("example.com", "https://example.com"));
  EXPECT_TRUE(excepts("Example.com", "https://API.example.COM"));
  EXPECT_FALSE(excepts("example.com", "https://badexample.com"));
  EXPECT_FALSE(excepts(".example.com", "https://example.com"));
  EXPECT_TRUE(excepts(".example.com", "https://api.example.com"));
  EXPECT_TRUE(excepts("*.example.com", "https://api.example.com"));
  EXPECT_FALSE(excepts("*.example.com", "https://example.com"));
}

TEST(ProxyExceptions, AddressesNetworksAndPorts) {
  EXPECT_TRUE(excepts("10.0.0.1", "https://10.0.0.1:6443"));
  EXPECT_TRUE(excepts("10.0.0.1:6443", "https://10.0.0.1:6443"));
  EXPECT_FALSE(excepts("10.0.0.1:443", "https://10.0.0.1:6443"));
  EXPECT_TRUE(excepts("[fd00::1]:6443", "https://[fd00::1]:6443"));
  EXPECT_TRUE(excepts("fd00::1", "https://[fd00::1]:6443"));
  EXPECT_TRUE(excepts("192.0.2.0/24, 10.96.0.0/12", "https://10.96.0.1:443"));
  EXPECT_TRUE(excepts("fd00::/8", "https://[fd00::1]"));
  EXPECT_FALSE(excepts("10.96.0.0/12", "https://api"));
  EXPECT_TRUE(excepts("api:6443", "https://api:6443"));
  EXPECT_FALSE(excepts("api:6443", "https://api:443"));
}

TEST(ProxyExceptions, WhatMakesNoSenseExceptsNothing) {
  EXPECT_FALSE(excepts(" , ,10.0.0.0/99,:,[,", "https://10.0.0.1"));
  EXPECT_TRUE(excepts("x,*", "https://10.0.0.1"));
}

}  // namespace
}  // namespace proxy::sources::kubernetes
