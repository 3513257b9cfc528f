#include "dns/response.hpp"

#include <algorithm>
#include <cassert>

namespace dns {

namespace {

constexpr std::size_t kOptSize = 11;        // root, type, size, rcode and flags, length
constexpr std::size_t kOptionHeadSize = 4;  // code, length
constexpr std::uint16_t kPointer = 0xc000;  // RFC 1035 §4.1.4
constexpr std::size_t kAddressRecord = 12;  // pointer, type, class, TTL, length

}  // namespace

void Response::begin(MutableBytes into, const Query& query, std::size_t limit) {
  assert(into.size() >= kPlainUdpSize);
  limit_ = std::min(limit, into.size());
  into_ = into;
  reserve_ = 0;
  edns_.reset();
  counts_ = {};
  rcode_ = Rcode::no_error;
  id_ = query.id;
  flags_ = static_cast<std::uint16_t>(
      flag::kResponse |
      (query.flags & (flag::kOpcodeMask | flag::kRecursionDesired | flag::kCheckingDisabled)));
  writer_ = Writer{into.first(limit_)};
  has_question_ = !query.question.empty();
  writer_.rewind(header::kSize);
  writer_.bytes(query.question);
  records_at_ = writer_.position();
}

void Response::set_edns(const EdnsReply& edns) {
  edns_ = edns;
  reserve_ = kOptSize;
  if (edns.cookie) reserve_ += kOptionHeadSize + edns.cookie->size();
  if (edns.keepalive) reserve_ += kOptionHeadSize + sizeof(std::uint16_t);
  writer_.set_limit(into_.first(limit_ - reserve_));
}

bool Response::add(Section section, Offset owner, Type type, std::uint32_t ttl, Bytes data) {
  if (writer_.left() < kAddressRecord + data.size()) {
    if (section != Section::additional) set_flags(flag::kTruncated);
    return false;
  }
  writer_.u16(kPointer | owner);
  head(type, ttl);
  writer_.u16(static_cast<std::uint16_t>(data.size()));
  writer_.bytes(data);
  ++counts_[static_cast<std::size_t>(section)];
  return true;
}

bool Response::copy(Section section, Bytes record, std::size_t ttl_at, std::uint32_t ttl) {
  if (writer_.left() < record.size()) {
    if (section != Section::additional) set_flags(flag::kTruncated);
    return false;
  }
  writer_.bytes(record.first(ttl_at));
  writer_.u32(ttl);
  writer_.bytes(record.subspan(ttl_at + 4));
  ++counts_[static_cast<std::size_t>(section)];
  return true;
}

void Response::head(Type type, std::uint32_t ttl) {
  writer_.u16(static_cast<std::uint16_t>(type));
  writer_.u16(kClassIn);
  writer_.u32(ttl);
}

void Response::start(Section section, Offset owner, Type type, std::uint32_t ttl) {
  section_ = section;
  record_at_ = writer_.position();
  writer_.u16(kPointer | owner);
  head(type, ttl);
  writer_.u16(0);  // the length, once it is known
  data_at_ = writer_.position();
}

void Response::start(Section section, Bytes owner, Type type, std::uint32_t ttl) {
  section_ = section;
  record_at_ = writer_.position();
  writer_.bytes(owner);
  head(type, ttl);
  writer_.u16(0);
  data_at_ = writer_.position();
}

bool Response::end() {
  if (writer_.failed()) {
    writer_.rewind(record_at_);
    if (section_ != Section::additional) set_flags(flag::kTruncated);
    return false;
  }
  writer_.patch_u16(data_at_ - 2, static_cast<std::uint16_t>(writer_.position() - data_at_));
  ++counts_[static_cast<std::size_t>(section_)];
  return true;
}

void Response::clear_records() {
  writer_.rewind(records_at_);
  counts_ = {};
  clear_flags(flag::kTruncated);
}

void Response::write_opt() {
  writer_.set_limit(into_.first(limit_));
  writer_.u8(0);
  writer_.u16(static_cast<std::uint16_t>(Type::opt));
  writer_.u16(kMaxUdpSize);
  writer_.u8(static_cast<std::uint8_t>(static_cast<std::uint16_t>(rcode_) >> 4));
  writer_.u8(0);  // version
  writer_.u16(edns_->dnssec_ok ? kDnssecOk : std::uint16_t{0});
  writer_.u16(static_cast<std::uint16_t>(reserve_ - kOptSize));
  if (edns_->cookie) {
    writer_.u16(edns_option::kCookie);
    writer_.u16(static_cast<std::uint16_t>(edns_->cookie->size()));
    writer_.bytes(Bytes{*edns_->cookie});
  }
  if (edns_->keepalive) {
    writer_.u16(edns_option::kTcpKeepalive);
    writer_.u16(sizeof(std::uint16_t));
    writer_.u16(*edns_->keepalive);
  }
}

std::size_t Response::finish() {
  if (edns_) write_opt();
  const std::size_t size = writer_.position();
  writer_.rewind(0);
  writer_.u16(id_);
  writer_.u16(
      static_cast<std::uint16_t>(flags_ | (static_cast<std::uint16_t>(rcode_) & flag::kRcodeMask)));
  writer_.u16(has_question_ ? 1 : 0);
  writer_.u16(count(Section::answer));
  writer_.u16(count(Section::authority));
  writer_.u16(static_cast<std::uint16_t>(count(Section::additional) + (edns_ ? 1 : 0)));
  return size;
}

}  // namespace dns
