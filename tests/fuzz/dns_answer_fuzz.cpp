// Any bytes as an upstream's reply: never a crash, and what is accepted can be given to clients, as
// it came and behind a CNAME of ours, as a well-formed message within its size limit.
#include "dns/forward/stored_answer.hpp"
#include "dns/message.hpp"

#include <cstdlib>

namespace {

using namespace dns;

// The beginning of the reply to a client that asked for `question` and is led to `ask`.
void replay(const forward::StoredAnswer& answer, const LowerName& question, const LowerName& ask,
            Type type, std::uint32_t age, std::size_t limit) {
  static Exchange exchange;
  static std::vector<std::uint8_t> reply(kMaxMessage);
  const auto query = make_query(7, question, type, kMaxUdpSize);
  if (parse_query(query, exchange.query) != QueryVerdict::ok) std::abort();
  exchange.response.begin(reply, exchange.query, limit);
  exchange.response.set_edns({});
  exchange.ask = ask;
  exchange.aliased = !(question == ask);
  exchange.owner = Response::kQuestion;
  if (exchange.aliased) {
    exchange.owner = static_cast<Response::Offset>(exchange.response.position() + 12);
    if (!exchange.response.add(Response::Section::answer, Response::kQuestion, Type::cname, 5,
                               ask.wire())) {
      std::abort();
    }
  }
  append(answer, age, age % 2 == 0 ? 0 : 30, exchange);
  const auto size = exchange.response.finish();
  if (size > limit || !decode_message(Bytes{reply}.first(size))) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const LowerName name = *parse_name("a.b");  // short, so that the fuzzer finds it
  static const LowerName alias = *parse_name("db.shop.svc.cluster.local");
  if (size < 2) return 0;
  const auto type = static_cast<Type>(data[0]);
  const std::uint32_t age = data[1];
  const auto parsed = forward::parse_reply({data + 2, size - 2}, name, type);
  if (!parsed) return 0;
  for (const std::size_t limit : {kPlainUdpSize, kMaxUdpSize, kMaxMessage}) {
    replay(parsed->answer, name, name, type, age, limit);
    replay(parsed->answer, alias, name, type, age, limit);
  }
  return 0;
}
