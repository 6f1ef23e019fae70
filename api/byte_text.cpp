#include "api/byte_text.h"

#include <cstdint>

#include "common/utf8.h"

namespace tierhub::api {
namespace {

uint8_t byte_at(std::string_view text, size_t i) { return static_cast<uint8_t>(text[i]); }

// U+EF80 to U+EFFF are EE BE 80 to EE BF BF.
bool is_escape(std::string_view character) {
  return character.size() == 3 && byte_at(character, 0) == 0xEE && byte_at(character, 1) >= 0xBE;
}

void append_escaped(std::string& out, uint8_t byte) {
  out += static_cast<char>(0xEE);
  out += static_cast<char>(0xBC | (byte >> 6));
  out += static_cast<char>(0x80 | (byte & 0x3F));
}

}  // namespace

std::string to_wire_text(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    size_t length = utf8_length(bytes);
    std::string_view character = bytes.substr(0, length == 0 ? 1 : length);
    if (length == 0 || is_escape(character)) {
      for (char c : character) append_escaped(out, static_cast<uint8_t>(c));
    } else {
      out += character;
    }
    bytes.remove_prefix(character.size());
  }
  return out;
}

std::string from_wire_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    size_t length = utf8_length(text);
    std::string_view character = text.substr(0, length == 0 ? 1 : length);
    if (is_escape(character)) {
      out +=
          static_cast<char>((byte_at(character, 1) & 0x03) << 6 | (byte_at(character, 2) & 0x3F));
    } else {
      out += character;
    }
    text.remove_prefix(character.size());
  }
  return out;
}

}  // namespace tierhub::api
