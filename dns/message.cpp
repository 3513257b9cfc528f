#include "dns/message.hpp"

#include "dns/address_name.hpp"

#include <array>
#include <charconv>
#include <cstdio>

namespace dns {

namespace {

constexpr std::array kTypes{Type::a,     Type::ns,   Type::cname, Type::soa,    Type::ptr,
                            Type::hinfo, Type::mx,   Type::txt,   Type::aaaa,   Type::srv,
                            Type::naptr, Type::ds,   Type::rrsig, Type::dnskey, Type::svcb,
                            Type::https, Type::ixfr, Type::axfr,  Type::any,    Type::caa};

// A possibly compressed name, letter case kept.
std::string read_name(Reader& reader) {
  LowerName checked;
  Reader walk = reader;
  if (!checked.read_compressed(walk)) {
    reader.fail();
    return {};
  }
  std::vector<std::uint8_t> wire;
  const auto message = reader.all();
  std::size_t at = reader.position();
  while (wire.size() < checked.size()) {  // what read_compressed() found valid
    if (message[at] >= 0xc0) {
      at = std::size_t{message[at] & 0x3fu} << 8 | message[at + 1];
      continue;
    }
    const std::size_t step = std::size_t{message[at]} + 1;
    wire.insert(wire.end(), &message[at], &message[at] + step);
    at += step;
  }
  reader = walk;
  return name_text(wire);
}

std::string quoted(Bytes text) {
  std::string out = "\"";
  for (const auto byte : text) {
    if (byte == '"' || byte == '\\') out += '\\';
    if (byte >= 32 && byte < 127) {
      out += static_cast<char>(byte);
    } else {
      std::array<char, 5> escaped{};
      std::snprintf(escaped.data(), escaped.size(), "\\%03u", unsigned{byte});
      out += escaped.data();
    }
  }
  return out + '"';
}

std::string generic_data(Bytes data) {  // RFC 3597 §5
  std::string out = "\\# " + std::to_string(data.size());
  if (!data.empty()) out += ' ';
  for (const auto byte : data) {
    std::array<char, 3> hex{};
    std::snprintf(hex.data(), hex.size(), "%02x", unsigned{byte});
    out += hex.data();
  }
  return out;
}

// The data of a record of `length` bytes at the reader; the reader must end behind it.
std::string read_data(Reader& reader, Type type, std::size_t length) {
  const std::size_t end = reader.position() + length;
  const auto number = [&](std::uint32_t value) { return std::to_string(value) + ' '; };
  switch (type) {
    case Type::a:
    case Type::aaaa: {
      const auto bytes = reader.take(length);
      if (bytes.size() != (type == Type::a ? 4 : 16)) reader.fail();
      return reader.failed() ? std::string{} : address_from(bytes).text();
    }
    case Type::ns:
    case Type::cname:
    case Type::ptr:
      return read_name(reader);
    case Type::mx: {
      auto text = number(reader.u16());
      return text + read_name(reader);
    }
    case Type::srv: {
      auto text = number(reader.u16());
      text += number(reader.u16());
      text += number(reader.u16());
      return text + read_name(reader);
    }
    case Type::soa: {
      auto text = read_name(reader) + ' ';
      text += read_name(reader);
      for (int i = 0; i < 5; ++i) text += ' ' + std::to_string(reader.u32());
      return text;
    }
    case Type::txt:
    case Type::hinfo: {
      std::string text;
      while (!reader.failed() && reader.position() < end) {
        if (!text.empty()) text += ' ';
        text += quoted(reader.take(reader.u8()));
      }
      return text;
    }
    default:
      return generic_data(reader.take(length));
  }
}

void read_section(Reader& reader, std::size_t count, std::vector<RecordText>& into,
                  std::optional<Edns>& edns) {
  for (std::size_t i = 0; i < count && !reader.failed(); ++i) {
    RecordText record;
    record.owner = read_name(reader);
    record.type = static_cast<Type>(reader.u16());
    if (record.type == Type::opt) {
      if (edns || record.owner != ".") return reader.fail();
      edns = read_edns(reader);
      if (!edns) return reader.fail();
      continue;
    }
    record.klass = reader.u16();
    record.ttl = reader.u32();
    const std::size_t length = reader.u16();
    const std::size_t end = reader.position() + length;
    record.data = read_data(reader, record.type, length);
    if (reader.position() != end) return reader.fail();
    into.push_back(std::move(record));
  }
}

}  // namespace

std::optional<Type> parse_type(std::string_view text) {
  std::string upper;
  for (const char c : text) upper += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  for (const auto type : kTypes) {
    if (upper == type_label(type)) return type;
  }
  if (!upper.starts_with("TYPE")) return std::nullopt;
  std::uint16_t number = 0;
  const char* const end = upper.data() + upper.size();
  const auto [stop, error] = std::from_chars(upper.data() + 4, end, number);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return static_cast<Type>(number);
}

std::string type_text(Type type) {
  const auto label = type_label(type);
  if (label != "other") return std::string{label};
  return "TYPE" + std::to_string(static_cast<std::uint16_t>(type));
}

std::string RecordText::text() const {
  const auto class_text = klass == kClassIn ? std::string{"IN"} : "CLASS" + std::to_string(klass);
  return owner + ' ' + std::to_string(ttl) + ' ' + class_text + ' ' + type_text(type) + ' ' + data;
}

Result<Message> decode_message(Bytes bytes) {
  Message message;
  message.size = bytes.size();
  Reader reader{bytes};
  message.id = reader.u16();
  message.flags = reader.u16();
  const auto questions = reader.u16();
  const auto answers = reader.u16();
  const auto authorities = reader.u16();
  const auto additional = reader.u16();
  for (std::size_t i = 0; i < questions && !reader.failed(); ++i) {
    auto& question = message.questions.emplace_back();
    question.name = read_name(reader);
    question.type = static_cast<Type>(reader.u16());
    question.klass = reader.u16();
  }
  read_section(reader, answers, message.answer, message.edns);
  read_section(reader, authorities, message.authority, message.edns);
  read_section(reader, additional, message.additional, message.edns);
  if (reader.failed()) return proxy::invalid("malformed DNS message");
  if (!reader.at_end()) return proxy::invalid("bytes behind the last record of a DNS message");
  std::uint16_t rcode = message.flags & flag::kRcodeMask;
  if (message.edns) {
    rcode = static_cast<std::uint16_t>(rcode | std::uint16_t{message.edns->extended_rcode} << 4);
  }
  message.rcode = static_cast<Rcode>(rcode);
  return message;
}

std::string Message::text() const {
  std::string out = ";; status: " + std::string{rcode_label(rcode)} + ", id: " + std::to_string(id);
  out += "\n;; flags:";
  const std::array<std::pair<std::uint16_t, const char*>, 7> names{
      {{flag::kResponse, " qr"},
       {flag::kAuthoritative, " aa"},
       {flag::kTruncated, " tc"},
       {flag::kRecursionDesired, " rd"},
       {flag::kRecursionAvailable, " ra"},
       {flag::kAuthenticData, " ad"},
       {flag::kCheckingDisabled, " cd"}}};
  for (const auto& [bit, name] : names) {
    if (has(bit)) out += name;
  }
  out += "\n";
  if (edns) {
    out += ";; EDNS: version " + std::to_string(edns->version) + ", udp " +
           std::to_string(edns->udp_size) + (edns->dnssec_ok ? ", do\n" : "\n");
  }
  for (const auto& question : questions) {
    out += "\n;; QUESTION\n;" + question.name + " IN " + type_text(question.type) + "\n";
  }
  const auto section = [&](const char* name, const std::vector<RecordText>& records) {
    if (records.empty()) return;
    out += std::string{"\n;; "} + name + "\n";
    for (const auto& record : records) out += record.text() + "\n";
  };
  section("ANSWER", answer);
  section("AUTHORITY", authority);
  section("ADDITIONAL", additional);
  out += "\n;; size: " + std::to_string(size) + "\n";
  return out;
}

std::vector<std::uint8_t> make_query(std::uint16_t id, const LowerName& name, Type type,
                                     std::uint16_t udp_size) {
  std::array<std::uint8_t, header::kSize + kMaxNameSize + 4 + 11> buffer;
  Writer writer{buffer};
  writer.u16(id);
  writer.u16(flag::kRecursionDesired);
  writer.u16(1);
  writer.u32(0);  // answer, authority
  writer.u16(udp_size != 0 ? 1 : 0);
  writer.bytes(name.wire());
  writer.u16(static_cast<std::uint16_t>(type));
  writer.u16(kClassIn);
  if (udp_size != 0) {
    writer.u8(0);
    writer.u16(static_cast<std::uint16_t>(Type::opt));
    writer.u16(udp_size);
    writer.u32(0);
    writer.u16(0);
  }
  const auto written = writer.written();
  return {written.begin(), written.end()};
}

}  // namespace dns
