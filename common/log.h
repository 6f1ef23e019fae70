// The log: spdlog, in logfmt, to standard error. log::info("import done", {{"files", "42"}}) prints
// ts=2026-01-02T03:04:05.678Z level=info msg="import done" files=42
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "common/result.h"

namespace tierhub::log {

enum class Level { debug, info, warning, error };

// A key and its value, already as text.
struct Field {
  template <class T>
  Field(std::string_view k, const T& v) : key(k), value(fmt::format("{}", v)) {}
  std::string_view key;
  std::string value;
};

// Call once, before the first thread starts. Until then `info` and above are printed.
void set_level(Level level);
// "debug", "info", "warning" or "error".
Result<Level> parse_level(std::string_view text);

// Any thread.
void write(Level level, std::string_view message, std::initializer_list<Field> fields);
inline void debug(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::debug, message, fields);
}
inline void info(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::info, message, fields);
}
inline void warning(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::warning, message, fields);
}
inline void error(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::error, message, fields);
}

}  // namespace tierhub::log
