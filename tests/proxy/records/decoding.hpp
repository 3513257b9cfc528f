// Short hands for tests that decode.
#pragma once

#include "proxy/records/decode.hpp"
#include "proxy/records/yaml_to_json.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace proxy::records {

inline std::vector<Outcome> decode_all(std::string_view json) {
  std::vector<Outcome> outcomes;
  Decoder decoder;
  decoder.decode(json, [&](Outcome outcome) { outcomes.push_back(std::move(outcome)); });
  return outcomes;
}

// The manifests of tests are in YAML, which reads better.
inline Outcome decode_yaml(std::string_view yaml) {
  const auto json = yaml_to_json(yaml);
  if (!json || json->size() != 1) {
    ADD_FAILURE() << "not one YAML document: " << yaml;
    return Rejected{};
  }
  return Decoder{}.decode_object(json->front());
}

// The record of a manifest that is good; a default one, and a failed test, if it is not.
template <class T>
T decoded(std::string_view yaml) {
  auto outcome = decode_yaml(yaml);
  if (const auto* rejected = std::get_if<Rejected>(&outcome)) {
    ADD_FAILURE() << rejected->error;
    return {};
  }
  auto* good = std::get_if<Decoded>(&outcome);
  if (good == nullptr || !std::holds_alternative<T>(good->record)) {
    ADD_FAILURE() << "skipped, or another kind";
    return {};
  }
  return std::get<T>(std::move(good->record));
}

inline std::string error_of(const Outcome& outcome) {
  const auto* rejected = std::get_if<Rejected>(&outcome);
  return rejected ? rejected->error.text() : "";
}

inline std::vector<std::string> remarks_of(const Outcome& outcome) {
  const auto* good = std::get_if<Decoded>(&outcome);
  return good ? good->remarks : std::vector<std::string>{};
}

}  // namespace proxy::records
