// How everything that the world can make fail reports it: a value or an Error.
//
// An Error is an error_code and the context in which it happened ("read manifests/web.yaml",
// "NEWRULE KUBE-SVC-…"). It is logged once, where it is handled; on the way there each layer adds
// what it was doing. What only our own mistake can cause is an assert, not an Error.
#pragma once

#include <boost/system/result.hpp>

#include <iosfwd>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace proxy {

struct Error {
  std::error_code code;
  std::string context;  // what we tried, on what; no trailing newline

  // "context: message of the code"
  [[nodiscard]] std::string text() const;

  friend bool operator==(const Error&, const Error&) = default;
};
std::ostream& operator<<(std::ostream& out, const Error& error);

template <class T>
using Result = boost::system::result<T, Error>;

// The errno (a positive number, as in errno or a negated netlink ack) as an Error.
[[nodiscard]] Error system_error(int errno_value, std::string context);

// A mistake in what somebody else wrote (a record, a file, a flag, bytes from the network).
[[nodiscard]] Error invalid(std::string context);

// `error` seen from one layer further out: "outer: inner".
[[nodiscard]] Error within(std::string_view outer, Error error);

// Boost's result asks for this when value() is called on an error; our code tests first, so that
// only a programming mistake gets here.
[[noreturn]] void throw_exception_from_error(const Error& error, const boost::source_location&);

}  // namespace proxy
