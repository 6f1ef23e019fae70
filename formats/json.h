// Reads JSON from others: every accessor checks the type and returns nothing instead of throwing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/result.h"

namespace tierhub::formats {

using Json = nlohmann::json;

// `what` names the document in the error.
Result<Json> parse_json(std::string_view text, std::string_view what);

// The member `key` of an object, or null.
const Json* find_member(const Json& object, std::string_view key);

std::optional<std::string> get_text(const Json& object, std::string_view key);
std::optional<uint64_t> get_unsigned(const Json& object, std::string_view key);
std::optional<double> get_number(const Json& object, std::string_view key);
// An array of non-negative integers.
std::optional<std::vector<uint64_t>> get_unsigned_list(const Json& object, std::string_view key);

}  // namespace tierhub::formats
