// Feeds anything to what reads nf_tables' messages: dumps, notifications and acknowledgements.
#include "modes/netfilter/batch.hpp"
#include "modes/netfilter/nf_tables_messages.hpp"
#include "modes/netfilter/observation.hpp"
#include "modes/netfilter/translation_counts.hpp"

#include <cstdlib>

namespace {

using namespace modes::netfilter;

void require(bool law) {
  if (!law) std::abort();
}

void read_notification(const Message& message) {
  if (nf_tables_type(message) < 0) return;
  const auto family = ip_family(message);
  if (!family) return;
  if (const auto rule = parse_rule(*family, message.attributes())) {
    require(!rule->chain.name.empty());
    require(rule->chain.family == *family);
  }
  if (const auto count = parse_translation_count(*family, message.attributes())) {
    require(count->to.address.family() == *family);
  }
  if (const auto chain = parse_chain(*family, message.attributes())) {
    require(!chain->chain.name.empty());
  }
}

void read_acknowledgements(Bytes datagram, std::uint32_t first_sequence) {
  Batch batch;
  batch.begin_sequence = first_sequence;
  batch.places = {{0, 0}, {1, 0}, {1, 1}};
  std::vector<Refusal> refusals;
  collect_refusals(batch, datagram, refusals);
  for (const auto& refusal : refusals) {
    require(refusal.error != 0);
    require(!refusal.place || refusal.place->operation <= 1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes datagram = std::as_bytes(std::span{data, size});
  Observation observation;
  ObservationReader reader{observation,
                           [](const ChainKey& key) { return key.name.view().size() % 2 == 0; }};
  std::size_t messages = 0;
  for_each_message(datagram, [&](const Message& message) {
    ++messages;
    reader.read(message);
    read_notification(message);
  });
  require(messages * 16 <= size);
  for (const auto& [key, chain] : observation.chains) {
    require(chain.rules.size() <= chain.our_rules + chain.foreign_rules);
    require(chain.our_rules + chain.foreign_rules <= messages);
  }
  read_acknowledgements(datagram, 0);
  read_acknowledgements(datagram, 0xfffffffe);
  return 0;
}
