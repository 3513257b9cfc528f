#include "dns/forward/stored_answer.hpp"

#include <algorithm>
#include <map>
#include <vector>

namespace dns::forward {

namespace {

using Section = Response::Section;

// RFC 2181 §8: a TTL with the top bit set is 0.
std::uint32_t sane_ttl(std::uint32_t ttl) {
  return (ttl & 0x80000000u) != 0 ? 0 : ttl;
}

// Reads record data of the types whose names may be compressed (RFC 1035 §3.3, RFC 2782): calls
// `on_name(reader)` at each name, `on_bytes(bytes)` for the rest. The reader ends behind the data.
template <class OnName, class OnBytes>
void walk_data(Reader& reader, Type type, std::size_t length, const OnName& on_name,
               const OnBytes& on_bytes) {
  switch (type) {
    case Type::ns:
    case Type::cname:
    case Type::ptr:
    case Type::dname:
      return on_name(reader);
    case Type::mx:
      on_bytes(reader.take(2));
      return on_name(reader);
    case Type::srv:
      on_bytes(reader.take(6));
      return on_name(reader);
    case Type::soa:
      on_name(reader);
      on_name(reader);
      return on_bytes(reader.take(20));
    default:
      return on_bytes(reader.take(length));
  }
}

// Whether the part of a record's data that holds no names is of its type's form.
bool has_form(Type type, Bytes data) {
  if (type == Type::a) return data.size() == 4;
  if (type == Type::aaaa) return data.size() == 16;
  if (type != Type::txt && type != Type::hinfo) return true;
  while (!data.empty()) {  // strings behind their lengths
    const std::size_t size = std::size_t{data[0]} + 1;
    if (size > data.size()) return false;
    data = data.subspan(size);
  }
  return true;
}

// Names in a message of which some bytes are others in the replies made from it: the header and the
// TTLs. A name that a pointer leads through them, or anywhere but to a prior occurrence of a name
// (RFC 1035 §4.1.4), would be another there.
class LastingNames {
 public:
  explicit LastingNames(Bytes message) : message_{message}, changes_(message.size()) {
    will_change(0, header::kSize);
  }

  void will_change(std::size_t at, std::size_t size) {
    for (std::size_t i = at; i < std::min(at + size, changes_.size()); ++i) changes_[i] = true;
  }

  // As LowerName::read_compressed().
  bool read(Reader& reader, LowerName& name) const {
    const auto at = reader.position();
    if (!name.read_compressed(reader)) return false;
    if (!lasts(at)) reader.fail();
    return !reader.failed();
  }

 private:
  // Requires that a well-formed name stands there.
  [[nodiscard]] bool lasts(const std::size_t begin) const {
    bool prior = false;  // behind a pointer
    for (std::size_t at = begin;;) {
      const std::uint8_t length = message_[at];
      const bool jumps = (length & kPointer) == kPointer;
      const std::size_t size = jumps ? 2 : std::size_t{length} + 1;
      if (prior && at + size > begin) return false;
      for (std::size_t i = at; i < at + size; ++i) {
        if (changes_[i]) return false;
      }
      if (length == 0) return true;
      prior = prior || jumps;
      at = jumps ? std::size_t{length & 0x3fu} << 8 | message_[at + 1] : at + size;
    }
  }

  static constexpr std::uint8_t kPointer = 0xc0;
  Bytes message_;
  std::vector<bool> changes_;  // by position
};

struct Walk {
  StoredAnswer& answer;
  Type wanted;
  LastingNames names;
  bool has_edns = false;
  bool has_wanted = false;  // a record of the type asked for
  std::uint32_t answer_ttl = UINT32_MAX;
  std::uint32_t denial_ttl = 0;  // 0: there is no SOA

  // One record; false when the rest of the message is not to be kept (behind the OPT record).
  bool record(Reader& reader, Section section) {
    StoredAnswer::Record at;
    at.begin = static_cast<std::uint32_t>(reader.position());
    LowerName owner;
    if (!names.read(reader, owner)) return false;
    const auto type = static_cast<Type>(reader.u16());
    if (type == Type::opt) {
      has_edns = section == Section::additional && owner.label_count() == 0 && read_edns(reader);
      if (!has_edns) reader.fail();
      return false;
    }
    reader.skip(2);
    at.ttl_at = static_cast<std::uint32_t>(reader.position());
    names.will_change(at.ttl_at, sizeof(std::uint32_t));
    const auto ttl = sane_ttl(reader.u32());
    const std::size_t length = reader.u16();
    const std::size_t end = reader.position() + length;
    std::uint32_t minimum = 0;
    walk_data(
        reader, type, length,
        [&](Reader& at_name) {
          LowerName name;
          (void)names.read(at_name, name);
        },
        [&](Bytes bytes) {
          if (!has_form(type, bytes)) reader.fail();
          if (type == Type::soa && bytes.size() == 20) minimum = Reader{bytes, 16}.u32();
        });
    if (reader.failed() || reader.position() != end) {
      reader.fail();
      return false;
    }
    at.end = static_cast<std::uint32_t>(end);
    answer.records.push_back(at);
    if (section == Section::answer) {
      ++answer.answers;
      answer_ttl = std::min(answer_ttl, ttl);
      has_wanted = has_wanted || type == wanted || wanted == Type::any;
    } else if (section == Section::authority) {
      ++answer.authorities;
      if (type == Type::soa) denial_ttl = std::min(ttl, minimum);
    }
    return true;
  }
};

// Records of one set have one TTL, the smallest if an upstream says otherwise (RFC 2181 §5.2). The
// answer's records of one type count as one set: what else has the type leads here by CNAMEs, and
// no more is lost than that it is asked for again a little earlier.
void level_ttls(StoredAnswer& answer) {
  const MutableBytes message{answer.message};
  const auto answers = std::span{answer.records}.first(answer.answers);
  std::map<std::uint16_t, std::uint32_t> smallest;
  const auto type_of = [&](const auto& record) {
    return Reader{message, record.ttl_at - 4u}.u16();
  };
  const auto ttl_of = [&](const auto& record) {
    return sane_ttl(Reader{message, record.ttl_at}.u32());
  };
  for (const auto& record : answers) {
    const auto known = smallest.emplace(type_of(record), ttl_of(record)).first;
    known->second = std::min(known->second, ttl_of(record));
  }
  for (const auto& record : answers) {
    Writer{message.subspan(record.ttl_at, sizeof(std::uint32_t))}.u32(smallest[type_of(record)]);
  }
}

// A denial counts down from what it holds, or those who hear of it late would keep it longer than
// its zone says (RFC 2308 §5).
void limit_soa_ttl(StoredAnswer& answer, std::uint32_t denial_ttl) {
  const MutableBytes message{answer.message};
  for (std::size_t i = 0; i < answer.authorities; ++i) {
    const auto& record = answer.records[answer.answers + i];
    const auto type = static_cast<Type>(Reader{message, record.ttl_at - 4u}.u16());
    if (type != Type::soa || sane_ttl(Reader{message, record.ttl_at}.u32()) <= denial_ttl) continue;
    Writer{message.subspan(record.ttl_at, sizeof(std::uint32_t))}.u32(denial_ttl);
  }
}

std::uint32_t aged(Bytes ttl, std::uint32_t age, std::uint32_t least) {
  const auto value = sane_ttl(Reader{ttl}.u32());
  return value > age + least ? value - age : least;
}

// A record behind CNAMEs of ours: its names are written in full, except that of the question, which
// the reply already has.
bool rewrite(const StoredAnswer& answer, const StoredAnswer::Record& record, Section section,
             std::uint32_t age, std::uint32_t least_ttl, Exchange& exchange) {
  auto& response = exchange.response;
  Reader reader{answer.message, record.begin};
  LowerName name;
  (void)name.read_compressed(reader);
  const auto type = static_cast<Type>(reader.u16());
  const auto klass = reader.u16();
  const auto ttl = aged(reader.take(4), age, least_ttl);
  const std::size_t length = reader.u16();
  if (klass != kClassIn) return true;  // nothing that a client could have asked for
  if (name == exchange.ask && exchange.owner != Response::kNowhere) {
    response.start(section, exchange.owner, type, ttl);
  } else {
    response.start(section, name.wire(), type, ttl);
  }
  walk_data(
      reader, type, length,
      [&](Reader& names) {
        LowerName inner;
        (void)inner.read_compressed(names);
        response.data().bytes(inner.wire());
      },
      [&](Bytes bytes) { response.data().bytes(bytes); });
  return response.end();
}

}  // namespace

Result<UpstreamReply> parse_reply(Bytes message, const LowerName& name, Type type) {
  UpstreamReply reply;
  auto& answer = reply.answer;
  Reader reader{message};
  reader.skip(2);
  const auto flags = reader.u16();
  const auto questions = reader.u16();
  const std::array counts{reader.u16(), reader.u16(), reader.u16()};
  if (reader.failed() || (flags & flag::kResponse) == 0 ||
      (flags & flag::kOpcodeMask) != kOpcodeQuery) {
    return proxy::invalid("no reply");
  }
  LowerName asked;
  if (questions != 1 || !asked.read_question(reader) || !(asked == name) ||
      static_cast<Type>(reader.u16()) != type || reader.u16() != kClassIn) {
    return proxy::invalid("a reply to another question");
  }
  reply.truncated = (flags & flag::kTruncated) != 0;
  answer.rcode = static_cast<Rcode>(flags & flag::kRcodeMask);

  Walk walk{.answer = answer, .wanted = type, .names = LastingNames{message}};
  std::size_t end = reader.position();
  bool more = true;
  for (std::size_t s = 0; s < counts.size() && more; ++s) {
    for (std::uint16_t i = 0; i < counts[s] && more; ++i) {
      more = walk.record(reader, static_cast<Section>(s));
      if (more) end = reader.position();
    }
  }
  // A truncated reply may well end anywhere; nothing of it is used.
  if (reader.failed() && !reply.truncated) return proxy::invalid("a malformed reply");
  reply.has_edns = walk.has_edns;
  answer.message.assign(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(end));
  if (!reply.truncated) level_ttls(answer);
  answer.negative = answer.rcode == Rcode::name_error || !walk.has_wanted;
  if (is_good(answer.rcode)) {
    if (answer.negative && !reply.truncated) limit_soa_ttl(answer, walk.denial_ttl);
    answer.ttl = answer.negative ? std::min(walk.denial_ttl, walk.answer_ttl) : walk.answer_ttl;
    if (answer.ttl == UINT32_MAX) answer.ttl = 0;
  }
  return reply;
}

void append(const StoredAnswer& answer, std::uint32_t age, std::uint32_t least_ttl,
            Exchange& exchange) {
  auto& response = exchange.response;
  response.set_rcode(answer.rcode);
  const Bytes message{answer.message};
  for (std::size_t i = 0; i < answer.records.size(); ++i) {
    const auto& record = answer.records[i];
    const auto section = i < answer.answers                        ? Section::answer
                         : i < answer.answers + answer.authorities ? Section::authority
                                                                   : Section::additional;
    bool fits = false;
    if (exchange.aliased) {
      fits = rewrite(answer, record, section, age, least_ttl, exchange);
    } else {
      fits = response.copy(section, message.subspan(record.begin, record.end - record.begin),
                           record.ttl_at - record.begin,
                           aged(message.subspan(record.ttl_at, 4), age, least_ttl));
    }
    if (!fits) return;
  }
}

}  // namespace dns::forward
