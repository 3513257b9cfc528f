#include "proxy/printable.hpp"

#include <gtest/gtest.h>

namespace proxy {
namespace {

using namespace std::string_view_literals;

TEST(Printable, LeavesOrdinaryTextInAnyScriptAlone) {
  EXPECT_EQ(printable("shop/cart:http → 10.0.0.1 Größe 路 🚚 C:\\temp"),
            "shop/cart:http → 10.0.0.1 Größe 路 🚚 C:\\temp");
}

TEST(Printable, KeepsOneEventOnOneLine) {
  EXPECT_EQ(printable("web\n2026-01-01 error forged\r\tx"),
            "web\\n2026-01-01 error forged\\x0d\\tx");
  EXPECT_EQ(printable("a\u2028b\u0085c"), "a\\xe2\\x80\\xa8b\\xc2\\x85c");
}

TEST(Printable, TakesControlOfTheTerminalAway) {
  EXPECT_EQ(printable("\x1b[2J\x7f\0"sv), "\\x1b[2J\\x7f\\x00");
  EXPECT_EQ(printable("\u202egnp.exe\u2066"), "\\xe2\\x80\\xaegnp.exe\\xe2\\x81\\xa6");
}

TEST(Printable, EscapesBytesThatAreNotUtf8) {
  EXPECT_EQ(printable("\xc0\xaf"sv), "\\xc0\\xaf");           // overlong
  EXPECT_EQ(printable("\xed\xa0\x80"sv), "\\xed\\xa0\\x80");  // a surrogate
  EXPECT_EQ(printable("ab\xe2\x82"sv), "ab\\xe2\\x82");       // cut off
  EXPECT_EQ(printable("\xf5\x80\x80\x80"sv), "\\xf5\\x80\\x80\\x80");
}

}  // namespace
}  // namespace proxy
