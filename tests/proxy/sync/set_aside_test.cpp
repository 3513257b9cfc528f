#include "proxy/sync/set_aside.hpp"

#include <gtest/gtest.h>

namespace proxy::sync {
namespace {

modes::SetAside refused(const std::string& name, const std::string& why) {
  return {.name = {.service = {"ns", name}, .port = ""}, .error = invalid(why)};
}

TEST(SetAsideBook, SaysOnceThatAServiceIsSetAside) {
  SetAsideBook book;
  EXPECT_EQ(book.update({refused("a", "too long")}).added.size(), 1U);
  const auto again = book.update({refused("a", "too long")});
  EXPECT_TRUE(again.added.empty());
  EXPECT_TRUE(again.back.empty());
  EXPECT_EQ(book.all().begin()->second, "too long");
}

TEST(SetAsideBook, SaysSoAgainWhenTheReasonChanges) {
  SetAsideBook book;
  book.update({refused("a", "too long")});
  EXPECT_EQ(book.update({refused("a", "no memory")}).added.size(), 1U);
}

TEST(SetAsideBook, SaysOnceThatAServiceIsBack) {
  SetAsideBook book;
  book.update({refused("a", "x"), refused("b", "x")});
  const auto news = book.update({refused("b", "x")});
  ASSERT_EQ(news.back.size(), 1U);
  EXPECT_EQ(news.back[0].text(), "ns/a");
  EXPECT_EQ(book.update({}).back.size(), 1U);
  EXPECT_TRUE(book.all().empty());
}

}  // namespace
}  // namespace proxy::sync
