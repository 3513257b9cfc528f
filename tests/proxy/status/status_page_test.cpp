#include "proxy/status/page/status_page.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proxy::status {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(StatusPage, LoadsNothingFromElsewhereAndWritesNoMarkup) {
  for (const auto* forbidden : {"http://", "https://", "innerHTML", "insertAdjacentHTML",
                                "document.write", "outerHTML", "eval(", " style=", " onclick="}) {
    if (std::string_view{forbidden} == "http://") {
      // The name of SVG's namespace is all.
      for (auto at = kStatusHtml.find(forbidden); at != kStatusHtml.npos;
           at = kStatusHtml.find(forbidden, at + 1)) {
        EXPECT_TRUE(kStatusHtml.substr(at).starts_with("http://www.w3.org/2000/svg"));
      }
      continue;
    }
    EXPECT_THAT(std::string{kStatusHtml}, Not(HasSubstr(forbidden)));
  }
}

// The hashes of "a{}" and "b()", by openssl dgst -sha256 -binary | base64.
TEST(StatusPage, ItsPolicyLetsNothingRunButItsOwnScript) {
  const auto policy = content_security_policy("<style>a{}</style><script>b()</script>");
  EXPECT_THAT(policy,
              AllOf(HasSubstr("default-src 'none'"), HasSubstr("connect-src 'self'"),
                    HasSubstr("style-src 'sha256-X1RutGBrXCt9KkSaXMK7tHftWiRscFHOhxsS8tv8hBk='"),
                    HasSubstr("script-src 'sha256-cf242PFc/kb7xD0Qzhsmd9vvRkc+cWFmbi+k+YvtdKc='"),
                    HasSubstr("frame-ancestors 'none'"), Not(HasSubstr("unsafe"))));
}

}  // namespace
}  // namespace proxy::status
