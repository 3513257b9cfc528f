// JSON to records: the one decoder for manifests, lists and watch events.
//
// Each object stands or falls alone. What is read is checked (types, ranges, spelling of names and
// addresses); fields that nothing here depends on are not looked at, so that newer API servers and
// other people's extensions pass. Defaults of the API server are filled in.
//
// Owns the parser's buffers and the names that many records share; no state besides. Not
// thread-safe.
#pragma once

#include "proxy/records/objects.hpp"
#include "proxy/result.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace proxy::records {

struct Decoded {
  Record record;
  std::string resource_version;      // metadata.resourceVersion, opaque; empty in manifests
  std::uint64_t fingerprint = 0;     // of the object's JSON text: the same text gives the same
  std::vector<std::string> remarks;  // values that were left out: "Service ns/name: field: why"
};

// An object that is none of ours, or that nothing here can use (an EndpointSlice of host names).
struct Skipped {
  std::string api_version;
  std::string kind;
  ObjectName name;

  [[nodiscard]] std::string text() const;  // "apps/v1 Deployment shop/web"
};

struct Rejected {
  std::optional<RecordKey> key;  // if it could be told which object it was going to be
  Error error;                   // "Service shop/web: spec.ports[1].port: 70000 is not a port"
};

using Outcome = std::variant<Decoded, Skipped, Rejected>;

// What an object is that does not say so itself: the items of a typed list do not.
struct TypeHint {
  std::string_view api_version;
  std::string_view kind;
};

class Decoder {
 public:
  Decoder();
  ~Decoder();
  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;

  // Everything in `json`: an object, a list of them (kind List, ServiceList, …), or several of
  // these after another. A text whose brackets and quotes don't match, such as a file written only
  // half, is one Rejected without key and nothing else.
  void decode(std::string_view json, const std::function<void(Outcome)>& receive);

  // Exactly one object, not a list.
  [[nodiscard]] Outcome decode_object(std::string_view json, TypeHint hint = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace proxy::records
