#include "proxy/result.hpp"

#include <ostream>
#include <stdexcept>

namespace proxy {

std::string Error::text() const {
  if (context.empty()) return code.message();
  // "invalid_argument" says nothing that a context about bad input has not said better.
  if (!code || code == std::errc::invalid_argument) return context;
  return context + ": " + code.message();
}

std::ostream& operator<<(std::ostream& out, const Error& error) {
  return out << error.text();
}

Error system_error(int errno_value, std::string context) {
  return Error{std::error_code{errno_value, std::system_category()}, std::move(context)};
}

Error invalid(std::string context) {
  return Error{std::make_error_code(std::errc::invalid_argument), std::move(context)};
}

Error within(std::string_view outer, Error error) {
  error.context =
      error.context.empty() ? std::string{outer} : std::string{outer} + ": " + error.context;
  return error;
}

void throw_exception_from_error(const Error& error, const boost::source_location&) {
  throw std::logic_error{"value() of a failed Result: " + error.text()};
}

}  // namespace proxy
