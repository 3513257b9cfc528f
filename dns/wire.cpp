#include "dns/wire.hpp"

namespace dns {

std::string_view type_label(Type type) {
  switch (type) {
    case Type::a:
      return "A";
    case Type::ns:
      return "NS";
    case Type::cname:
      return "CNAME";
    case Type::soa:
      return "SOA";
    case Type::ptr:
      return "PTR";
    case Type::hinfo:
      return "HINFO";
    case Type::mx:
      return "MX";
    case Type::txt:
      return "TXT";
    case Type::aaaa:
      return "AAAA";
    case Type::srv:
      return "SRV";
    case Type::naptr:
      return "NAPTR";
    case Type::ds:
      return "DS";
    case Type::rrsig:
      return "RRSIG";
    case Type::dnskey:
      return "DNSKEY";
    case Type::svcb:
      return "SVCB";
    case Type::https:
      return "HTTPS";
    case Type::ixfr:
      return "IXFR";
    case Type::axfr:
      return "AXFR";
    case Type::any:
      return "ANY";
    case Type::caa:
      return "CAA";
    case Type::dname:
    case Type::opt:
      break;
  }
  return "other";
}

std::string_view rcode_label(Rcode rcode) {
  switch (rcode) {
    case Rcode::no_error:
      return "NOERROR";
    case Rcode::format_error:
      return "FORMERR";
    case Rcode::server_failure:
      return "SERVFAIL";
    case Rcode::name_error:
      return "NXDOMAIN";
    case Rcode::not_implemented:
      return "NOTIMP";
    case Rcode::refused:
      return "REFUSED";
    case Rcode::bad_version:
      return "BADVERS";
    case Rcode::bad_cookie:
      return "BADCOOKIE";
  }
  return "other";
}

}  // namespace dns
