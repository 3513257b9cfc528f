#include "dns/node/claim.hpp"

#include "modes/netfilter/attributes.hpp"
#include "modes/netfilter/nf_tables_messages.hpp"

#include <gmock/gmock.h>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <map>

namespace dns::node {
namespace {

using modes::netfilter::for_each_message;
using modes::netfilter::Message;
using modes::netfilter::nf_tables_type;

const Claim kClaim{.owner = 0x1122334455667788,
                   .addresses = {{proxy::IpAddress::v4(0x0a60000a), {53}},
                                 {proxy::IpAddress::loopback(proxy::Family::v6), {53}}}};

// What the kernel says about a table is what it was told.
std::optional<Claim> as_read_back(const Claim& claim) {
  std::optional<Claim> last;
  for_each_message(put_claim(claim, 1), [&](const Message& message) {
    if (const auto found = parse_claim(message)) last = found;
  });
  return last;
}

TEST(Claim, IsReadBackAsItWasWritten) {
  const auto found = as_read_back(kClaim);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->owner, kClaim.owner);
  ASSERT_EQ(found->addresses.size(), 2u);
  EXPECT_EQ(found->addresses[0].address, kClaim.addresses[0].address);
  EXPECT_EQ(found->addresses[1].address, kClaim.addresses[1].address);
}

TEST(Claim, AsManyAddressesAsAllowedFitTheNote) {
  Claim many{.owner = 1};
  for (std::size_t i = 0; i < kMaxAddresses; ++i) {
    many.addresses.push_back({proxy::IpAddress::loopback(proxy::Family::v6), {53}});
  }
  EXPECT_EQ(as_read_back(many)->addresses.size(), kMaxAddresses);
}

TEST(Claim, ReplacesWhateverWasThereInOneBatch) {
  std::vector<int> types;
  std::map<int, int> count;
  for_each_message(put_claim(kClaim, 1), [&](const Message& message) {
    types.push_back(nf_tables_type(message));
    ++count[types.back()];
  });
  EXPECT_EQ(types.front(), -1);  // the batch's begin
  EXPECT_EQ(types.back(), -1);   // and end
  EXPECT_EQ(types[1], NFT_MSG_NEWTABLE);
  EXPECT_EQ(types[2], NFT_MSG_DELTABLE);
  EXPECT_EQ(types[3], NFT_MSG_NEWTABLE);
  EXPECT_EQ(count[NFT_MSG_NEWCHAIN], 2);
  EXPECT_EQ(count[NFT_MSG_NEWRULE], 12);  // two addresses, two protocols, three places
}

TEST(Claim, ATableOfAnotherNameIsNoClaim) {
  std::vector<std::byte> bytes;
  const auto at =
      modes::netfilter::open_nf_tables_message(bytes, NFT_MSG_NEWTABLE, 0, 1, proxy::Family::v4);
  modes::netfilter::AttributeWriter{bytes}.put_text(NFTA_TABLE_NAME, "nat");
  modes::netfilter::close_message(bytes, at);
  for_each_message(bytes, [](const Message& message) { EXPECT_FALSE(parse_claim(message)); });
}

TEST(Claim, ANoteCutShortIsNoClaim) {
  std::vector<std::byte> bytes;
  const auto at =
      modes::netfilter::open_nf_tables_message(bytes, NFT_MSG_NEWTABLE, 0, 1, proxy::Family::v4);
  modes::netfilter::AttributeWriter out{bytes};
  out.put_text(NFTA_TABLE_NAME, kTable);
  out.put(NFTA_TABLE_USERDATA, std::array{std::byte{0x80}, std::byte{8}, std::byte{1}});
  modes::netfilter::close_message(bytes, at);
  for_each_message(bytes, [](const Message& message) { EXPECT_FALSE(parse_claim(message)); });
}

}  // namespace
}  // namespace dns::node
