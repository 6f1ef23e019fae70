#include "formats/json.h"

#include <fmt/format.h>

namespace tierhub::formats {
namespace {

std::optional<uint64_t> to_unsigned(const Json& value) {
  if (!value.is_number_unsigned()) return std::nullopt;
  return value.get<uint64_t>();
}

// nlohmann's parser keeps its own stack, but values nested a million deep still cost memory for
// nothing.
bool too_deep(std::string_view text) {
  constexpr int kMaxDepth = 64;
  int depth = 0;
  bool in_text = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_text) {
      if (c == '\\') ++i;
      if (c == '"') in_text = false;
    } else if (c == '"') {
      in_text = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxDepth) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

}  // namespace

Result<Json> parse_json(std::string_view text, std::string_view what) {
  if (too_deep(text))
    return Error(std::errc::invalid_argument, fmt::format("{} is nested too deeply", what));
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded())
    return Error(std::errc::invalid_argument, fmt::format("{} is not valid JSON", what));
  return json;
}

const Json* find_member(const Json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

std::optional<std::string> get_text(const Json& object, std::string_view key) {
  const Json* member = find_member(object, key);
  if (member == nullptr || !member->is_string()) return std::nullopt;
  return member->get<std::string>();
}

std::optional<uint64_t> get_unsigned(const Json& object, std::string_view key) {
  const Json* member = find_member(object, key);
  if (member == nullptr) return std::nullopt;
  return to_unsigned(*member);
}

std::optional<double> get_number(const Json& object, std::string_view key) {
  const Json* member = find_member(object, key);
  if (member == nullptr || !member->is_number()) return std::nullopt;
  return member->get<double>();
}

std::optional<std::vector<uint64_t>> get_unsigned_list(const Json& object, std::string_view key) {
  const Json* member = find_member(object, key);
  if (member == nullptr || !member->is_array()) return std::nullopt;
  std::vector<uint64_t> values;
  values.reserve(member->size());
  for (const Json& item : *member) {
    const auto value = to_unsigned(item);
    if (!value) return std::nullopt;
    values.push_back(*value);
  }
  return values;
}

}  // namespace tierhub::formats
