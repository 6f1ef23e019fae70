#include "api/target.h"

#include <cctype>
#include <optional>

#include <fmt/format.h>

#include "api/byte_text.h"

namespace tierhub::api {
namespace {

std::optional<int> hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

Result<std::string> decode_percent(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    auto high = i + 2 < text.size() ? hex_value(text[i + 1]) : std::nullopt;
    auto low = i + 2 < text.size() ? hex_value(text[i + 2]) : std::nullopt;
    if (!high || !low) {
      return Error(std::errc::invalid_argument,
                   "the request's target has a % that is not followed by two hexadecimal digits");
    }
    out += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return from_wire_text(out);
}

Result<void> add_parameter(Target& target, std::string_view parameter) {
  size_t equals = parameter.find('=');
  TRY_ASSIGN(std::string name, decode_percent(parameter.substr(0, equals)));
  std::string value;
  if (equals != std::string_view::npos) {
    TRY_ASSIGN(value, decode_percent(parameter.substr(equals + 1)));
  }
  if (!target.parameters.emplace(name, value).second) {
    return Error(std::errc::invalid_argument, fmt::format("parameter {} is given twice", name));
  }
  return {};
}

// Cuts `text` at `separator` and hands each part on.
template <class Use>
Result<void> for_each_part(std::string_view text, char separator, Use use) {
  while (true) {
    size_t end = text.find(separator);
    TRY(use(text.substr(0, end)));
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
}

}  // namespace

Result<Target> parse_target(std::string_view text) {
  Target target;
  size_t question = text.find('?');
  std::string_view path = text.substr(0, question);
  if (path.empty() || path.front() != '/') {
    return Error(std::errc::invalid_argument, "the request's target does not begin with a /");
  }
  TRY(for_each_part(path.substr(1), '/', [&](std::string_view part) -> Result<void> {
    TRY_ASSIGN(std::string segment, decode_percent(part));
    target.segments.push_back(std::move(segment));
    return {};
  }));
  if (question == std::string_view::npos) return target;
  TRY(for_each_part(text.substr(question + 1), '&', [&](std::string_view part) -> Result<void> {
    if (part.empty()) return {};
    return add_parameter(target, part);
  }));
  return target;
}

std::string to_target_text(std::string_view bytes) {
  std::string out;
  for (char c : to_wire_text(bytes)) {
    bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.' ||
                 c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace tierhub::api
