#include "modes/netfilter/translation_counts_netlink.hpp"

#include "modes/netfilter/attributes.hpp"
#include "modes/netfilter/nf_tables_messages.hpp"

#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>

#include <cerrno>

namespace modes::netfilter {
namespace {

constexpr int kAttempts = 5;

}  // namespace

Result<TranslationCounts> TranslationCounts::open() {
  auto socket = NfnetlinkSocket::open();
  if (!socket) return socket.error();
  return TranslationCounts{std::move(*socket)};
}

Result<bool> TranslationCounts::read_once(const ChainKey& chain,
                                          std::vector<TranslationCount>& into) {
  into.clear();
  request_.clear();
  const auto sequence = socket_.next_sequence();
  const auto at = open_nf_tables_message(request_, NFT_MSG_GETRULE, NLM_F_REQUEST | NLM_F_DUMP,
                                         sequence, chain.family);
  AttributeWriter attributes{request_};
  attributes.put_text(NFTA_RULE_TABLE, to_string(chain.table));
  attributes.put_text(NFTA_RULE_CHAIN, chain.name.view());
  close_message(request_, at);
  if (auto sent = socket_.send(request_); !sent) return sent.error();

  bool consistent = true;
  bool done = false;
  int error = 0;
  while (!done) {
    const auto datagram = socket_.receive();
    if (!datagram) return datagram.error();
    if (!*datagram) return proxy::system_error(EPROTO, "no answer");
    for_each_message(**datagram, [&](const Message& message) {
      if (message.sequence != sequence) return;  // of a reading that ended with an error
      if ((message.flags & NLM_F_DUMP_INTR) != 0) consistent = false;
      if (message.type == NLMSG_DONE) done = true;
      if (const auto ack = parse_acknowledgement(message)) {
        done = true;
        error = ack->error;
      }
      if (nf_tables_type(message) != NFT_MSG_NEWRULE) return;
      if (auto count = parse_translation_count(chain.family, message.attributes())) {
        into.push_back(*count);
      }
    });
  }
  if (error == EINTR || error == ERESTART || error == EAGAIN) return false;
  if (error != 0 && error != ENOENT) return proxy::system_error(error, "dump of a chain");
  return consistent;
}

Result<std::vector<TranslationCount>> TranslationCounts::read(const ChainKey& chain) {
  std::vector<TranslationCount> counts;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto consistent = read_once(chain, counts);
    if (!consistent) {
      return within("read the counters of " + std::string{chain.name.view()}, consistent.error());
    }
    if (*consistent) return counts;
  }
  return proxy::system_error(EAGAIN, "read the counters of " + std::string{chain.name.view()});
}

}  // namespace modes::netfilter
