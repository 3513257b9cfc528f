#include "modes/netfilter/kernel_netlink.hpp"

#include "modes/netfilter/attributes.hpp"
#include "modes/netfilter/nf_tables_messages.hpp"

#include <netinet/in.h>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>

#include <cerrno>

namespace modes::netfilter {
namespace {

// How often a view that changed while it was read is begun again.
constexpr int kObserveAttempts = 20;
// Datagrams of a dump between two turns of the loop: about a millisecond of work.
constexpr int kDatagramsPerTurn = 32;
// A batch buffer that a large load made big is given back.
constexpr std::size_t kKeptCapacity = 256 * 1024;

// The kernel answers inside sendmsg; silence after it is a fault.
Error no_answer(const char* what) {
  return proxy::system_error(EPROTO, std::string{what} + ": no answer");
}

}  // namespace

Result<NetlinkKernel> NetlinkKernel::open() {
  auto socket = NfnetlinkSocket::open();
  if (!socket) return socket.error();
  return NetlinkKernel{std::move(*socket)};
}

// What an earlier exchange left, for instance one that ended early with an error.
Result<void> NetlinkKernel::discard_pending() {
  for (;;) {
    const auto datagram = socket_.receive();
    if (!datagram) {
      if (datagram.error().code == std::errc::no_buffer_space) continue;
      return datagram.error();
    }
    if (!*datagram) return {};
  }
}

Result<std::uint32_t> NetlinkKernel::generation() {
  if (auto clean = discard_pending(); !clean) return clean.error();
  std::vector<std::byte> request;
  const auto at = open_nf_tables_message(request, NFT_MSG_GETGEN, NLM_F_REQUEST,
                                         socket_.next_sequence(), Family::v4);
  close_message(request, at);
  if (auto sent = socket_.send(request); !sent)
    return within("ask for the ruleset's generation", sent.error());
  const auto datagram = socket_.receive();
  if (!datagram) return within("ask for the ruleset's generation", datagram.error());
  if (!*datagram) return no_answer("ask for the ruleset's generation");
  Result<std::uint32_t> generation = no_answer("ask for the ruleset's generation");
  for_each_message(**datagram, [&](const Message& message) {
    if (const auto ack = parse_acknowledgement(message)) {
      generation = proxy::system_error(ack->error, "ask for the ruleset's generation");
    }
    if (nf_tables_type(message) != NFT_MSG_NEWGEN) return;
    for_each_attribute(message.attributes(), [&](const Attribute& attribute) {
      if (attribute.type != NFTA_GEN_ID) return;
      if (const auto id = attribute.be32()) generation = *id;
    });
  });
  return generation;
}

// False when the kernel says that the ruleset changed meanwhile (NLM_F_DUMP_INTR).
Awaitable<Result<bool>> NetlinkKernel::dump(int type, Family family, const ChainKey* chain,
                                            ObservationReader& reader) {
  std::vector<std::byte> request;
  const auto at = open_nf_tables_message(request, type, NLM_F_REQUEST | NLM_F_DUMP,
                                         socket_.next_sequence(), family);
  if (chain != nullptr) {
    AttributeWriter attributes{request};
    attributes.put_text(NFTA_RULE_TABLE, to_string(chain->table));
    attributes.put_text(NFTA_RULE_CHAIN, chain->name.view());
  }
  close_message(request, at);
  if (auto sent = socket_.send(request); !sent) co_return sent.error();

  bool consistent = true;
  bool done = false;
  int error = 0;
  while (!done) {
    const auto datagram = socket_.receive();
    if (!datagram) co_return datagram.error();
    if (!*datagram) co_return no_answer("dump of the ruleset");
    for_each_message(**datagram, [&](const Message& message) {
      if ((message.flags & NLM_F_DUMP_INTR) != 0) consistent = false;
      if (message.type == NLMSG_DONE) done = true;
      if (const auto ack = parse_acknowledgement(message)) {
        done = true;
        error = ack->error;
      }
      reader.read(message);
    });
    if (++datagrams_ % kDatagramsPerTurn == 0) {
      co_await boost::asio::post(boost::asio::use_awaitable);
    }
  }
  if (error == EINTR || error == ERESTART || error == EAGAIN) co_return false;
  // A chain that is gone; the generation will tell.
  if (error != 0 && error != ENOENT) co_return proxy::system_error(error, "dump of the ruleset");
  co_return consistent;
}

Awaitable<Result<bool>> NetlinkKernel::observe_once(
    Observation& into, const std::function<bool(const ChainKey&)>& itemised) {
  const auto before = generation();
  if (!before) co_return before.error();
  into = Observation{};
  into.generation = *before;
  ObservationReader reader{into, itemised};
  for (const auto family : proxy::kFamilies) {
    for (const auto type : {NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN}) {
      const auto consistent = co_await dump(type, family, nullptr, reader);
      if (!consistent || !*consistent) co_return consistent;
    }
  }
  // Chain by chain: a dump of a whole table walks it from its beginning for each datagram, which
  // took 7 s of CPU for 110,000 rules.
  std::vector<ChainKey> chains;
  chains.reserve(into.chains.size());
  for (const auto& [key, chain] : into.chains) chains.push_back(key);
  for (const auto& key : chains) {
    const auto consistent = co_await dump(NFT_MSG_GETRULE, key.family, &key, reader);
    if (!consistent || !*consistent) co_return consistent;
  }
  const auto after = generation();
  if (!after) co_return after.error();
  co_return *before == *after;
}

Awaitable<Result<Observation>> NetlinkKernel::observe(
    std::function<bool(const ChainKey&)> itemised) {
  Observation observation;
  for (int attempt = 0; attempt < kObserveAttempts; ++attempt) {
    const auto consistent = co_await observe_once(observation, itemised);
    if (!consistent) co_return within("read the ruleset back", consistent.error());
    if (*consistent) co_return observation;
  }
  co_return proxy::system_error(EAGAIN, "read the ruleset back: it never stopped changing");
}

Result<CommitResult> NetlinkKernel::commit(const Transaction& transaction, std::uint32_t base) {
  if (auto clean = discard_pending(); !clean) return clean.error();
  const auto first = socket_.next_sequence();
  encode_batch(transaction, base, first, batch_);
  for (std::size_t i = 0; i <= batch_.places.size(); ++i) (void)socket_.next_sequence();
  if (auto sent = socket_.send(batch_.bytes); !sent) return within("commit", sent.error());

  std::vector<Refusal> refusals;
  for (;;) {
    const auto datagram = socket_.receive();
    // Acknowledgements that did not fit are refusals too, of which others will be heard.
    if (!datagram && datagram.error().code == std::errc::no_buffer_space) continue;
    if (!datagram) return within("commit", datagram.error());
    if (!*datagram) break;
    collect_refusals(batch_, **datagram, refusals);
  }
  if (batch_.bytes.capacity() > kKeptCapacity) batch_ = Batch{};

  CommitResult result;
  for (auto& refusal : refusals) {
    if (!refusal.place) {
      if (refusal.error == ERESTART || refusal.error == EAGAIN || refusal.error == EINTR) {
        return CommitResult{CommitResult::Kind::stale, 0, {}};
      }
      return proxy::system_error(refusal.error, "commit: " + refusal.text);
    }
    result.kind = CommitResult::Kind::refused;
    result.refused.push_back({refusal.place->operation, refusal.place->rule,
                              proxy::system_error(refusal.error, std::move(refusal.text))});
  }
  if (result.kind == CommitResult::Kind::committed) result.generation = base + 1;
  return result;
}

}  // namespace modes::netfilter
