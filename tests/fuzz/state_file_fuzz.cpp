// Records as bytes, and the file they are kept in. Law: what can be read is written the same again.
#include "proxy/records/binary.hpp"
#include "proxy/sources/kubernetes/state_file.hpp"

#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace proxy;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input{reinterpret_cast<const char*>(data), size};
  records::BinaryReader reader;
  if (const auto record = reader.read(input)) {
    const auto bytes = to_bytes(*record);
    const auto again = reader.read(bytes);
    if (!again || to_bytes(*again) != bytes) std::abort();
  }
  (void)sources::kubernetes::parse_state(input, reader);
  return 0;
}
