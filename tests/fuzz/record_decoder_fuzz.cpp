// Feeds anything to the record decoder, as the manifests source and the API client do: text that
// begins like JSON straight, other text as YAML.
#include "proxy/records/decode.hpp"
#include "proxy/records/json_text.hpp"
#include "proxy/records/yaml_to_json.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

using namespace proxy::records;

void require(bool law) {
  if (!law) std::abort();
}

// What holds of every record, whatever the text was.
void check(const Outcome& outcome) {
  if (const auto* rejected = std::get_if<Rejected>(&outcome)) {
    require(!rejected->error.text().empty());
    require(rejected->error.text().find('\n') == std::string::npos);
  }
  if (const auto* decoded = std::get_if<Decoded>(&outcome)) {
    require(!name_of(decoded->record).name.empty());
    const auto copy = decoded->record;
    require(copy == decoded->record);
  }
}

void decode(std::string_view json) {
  Decoder decoder;
  decoder.decode(json, check);
  check(decoder.decode_object(json, {.api_version = "v1", .kind = "Service"}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && text[first] == '{') decode(text);

  const auto documents = yaml_to_json(text, 1, {.expansion = 1U << 16});
  if (!documents) return 0;
  for (const auto& json : *documents) {
    const auto values = json::values(json);
    require(values && values->size() == 1 && values->front() == json);
    decode(json);
  }
  return 0;
}
