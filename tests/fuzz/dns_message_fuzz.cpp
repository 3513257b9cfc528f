// Any bytes through both parsers: clients' queries and whole messages.
#include "dns/address_name.hpp"
#include "dns/message.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const dns::Bytes bytes{data, size};
  dns::Query query;
  if (dns::parse_query(bytes, query) == dns::QueryVerdict::ok &&
      query.opcode() == dns::kOpcodeQuery) {
    // What was read as a name has a text that reads as the same name.
    const auto again = dns::parse_name(query.name.text());
    if (!again || !(*again == query.name)) std::abort();
    (void)dns::parse_reverse_name(query.name);
    for (std::size_t i = 0; i < query.name.label_count(); ++i) {
      const auto label = query.name.label(i).subspan(1);
      (void)dns::parse_dashed({reinterpret_cast<const char*>(label.data()), label.size()});
    }
  }
  if (const auto message = dns::decode_message(bytes)) (void)message->text();
  return 0;
}
