// Orders and answers between a runner and a node as lines of JSON. Paths, names and arguments may be any bytes (api/byte_text.h).
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "api/byte_text.h"

namespace tierhub::compute {

// Without its line feed; what is no UTF-8 is replaced.
inline std::string to_wire_line(const nlohmann::json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

inline std::vector<std::string> texts_to_wire(const std::vector<std::string>& texts) {
  std::vector<std::string> wire;
  for (const std::string& text : texts) wire.push_back(api::to_wire_text(text));
  return wire;
}

// These throw what nlohmann::json throws.
inline std::vector<std::string> texts_from_wire(const nlohmann::json& json) {
  std::vector<std::string> texts;
  for (const nlohmann::json& text : json)
    texts.push_back(api::from_wire_text(text.get<std::string>()));
  return texts;
}

inline std::string text_from_wire(const nlohmann::json& json, const char* key) {
  return api::from_wire_text(json.at(key).get<std::string>());
}

}  // namespace tierhub::compute
