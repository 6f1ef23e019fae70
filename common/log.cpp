#include "common/log.h"

#include <algorithm>
#include <memory>

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "common/utf8.h"

namespace tierhub::log {
namespace {

std::shared_ptr<spdlog::logger> logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = std::make_shared<spdlog::logger>("tierhub",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_formatter(std::make_unique<spdlog::pattern_formatter>(
        "ts=%Y-%m-%dT%H:%M:%S.%eZ level=%l %v", spdlog::pattern_time_type::utc));
    made->flush_on(spdlog::level::debug);
    return made;
  }();
  return instance;
}

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warning:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

// Of UTF-8, which is valid.
char32_t code_point_of(std::string_view character) {
  constexpr unsigned kBitsOfByte = 6, kLowBits = 0x3F;
  const auto first = static_cast<unsigned char>(character.front());
  if (character.size() == 1) return first;
  char32_t value = first & (0xFFU >> (character.size() + 1));
  for (const char c : character.substr(1))
    value = value << kBitsOfByte | (static_cast<unsigned char>(c) & kLowBits);
  return value;
}

// Acts on a terminal, turns text around, or hides it.
bool is_trick(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x061C || (c >= 0x200B && c <= 0x200F) ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF;
}

std::string escaped(std::string_view character) {
  if (character == "\n") return "\\n";
  if (character == "\r") return "\\r";
  if (character == "\t") return "\\t";
  if (character == "\"" || character == "\\") return "\\" + std::string(character);
  const char32_t c = code_point_of(character);
  if (!is_trick(c)) return std::string(character);
  const auto number = static_cast<uint32_t>(c);
  return c < 0x100 ? fmt::format("\\x{:02x}", number) : fmt::format("\\u{:04x}", number);
}

// Bare if it has no character that logfmt would need quotes for.
void append_value(std::string& out, std::string_view value) {
  std::string text;
  for (std::string_view rest = value; !rest.empty();) {
    const size_t length = utf8_length(rest);
    text += length > 0 ? escaped(rest.substr(0, length))
                       : fmt::format("\\x{:02x}", static_cast<unsigned char>(rest.front()));
    rest.remove_prefix(std::max<size_t>(length, 1));
  }
  if (!text.empty() && text == value && text.find_first_of(" =") == std::string::npos) {
    out += text;
    return;
  }
  out += '"' + text + '"';
}

}  // namespace

void set_level(Level level) { logger()->set_level(to_spdlog(level)); }

Result<Level> parse_level(std::string_view text) {
  if (text == "debug") return Level::debug;
  if (text == "info") return Level::info;
  if (text == "warning") return Level::warning;
  if (text == "error") return Level::error;
  return Error(std::errc::invalid_argument,
               fmt::format("log level '{}' is none of debug, info, warning, error", text));
}

void write(Level level, std::string_view message, std::initializer_list<Field> fields) {
  if (!logger()->should_log(to_spdlog(level))) return;
  std::string line = "msg=";
  append_value(line, message);
  for (const Field& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    append_value(line, field.value);
  }
  logger()->log(to_spdlog(level), line);
}

}  // namespace tierhub::log
