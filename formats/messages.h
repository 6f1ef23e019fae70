// Questions to an IsolatedProcess, and its answers, as bytes. What is read may come from a process
// that a damaged file has broken, so a reader trusts nothing: it fails on anything that is not a
// possible value.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/bytes.h"
#include "common/result.h"

namespace tierhub::formats {

inline void write_value(ByteWriter& out, bool value) { out.flag(value); }
inline void write_value(ByteWriter& out, uint64_t value) { out.u64(value); }
inline void write_value(ByteWriter& out, double value) { out.u64(std::bit_cast<uint64_t>(value)); }
inline void write_value(ByteWriter& out, const std::string& value) { out.text(value); }

template <class T>
void write_value(ByteWriter& out, const std::vector<T>& values) {
  out.u32(static_cast<uint32_t>(values.size()));
  for (const T& value : values) write_value(out, value);
}

template <class T>
void write_value(ByteWriter& out, const std::optional<T>& value) {
  out.flag(value.has_value());
  if (value) write_value(out, *value);
}

// Each returns false if the bytes are no such value.
inline bool read_value(ByteReader& in, bool& value) { return value = in.flag(), in.ok(); }
inline bool read_value(ByteReader& in, uint64_t& value) { return value = in.u64(), in.ok(); }
inline bool read_value(ByteReader& in, double& value) {
  return value = std::bit_cast<double>(in.u64()), in.ok();
}
inline bool read_value(ByteReader& in, std::string& value) { return value = in.text(), in.ok(); }

template <class T>
bool read_value(ByteReader& in, std::vector<T>& values) {
  for (uint32_t count = in.u32(); count > 0; --count) {
    if (!read_value(in, values.emplace_back())) return false;
  }
  return in.ok();
}

template <class T>
bool read_value(ByteReader& in, std::optional<T>& value) {
  if (!in.flag()) return in.ok();
  return read_value(in, value.emplace());
}

// An answer: the value, or an error.
template <class T>
std::string to_bytes(const Result<T>& answer) {
  ByteWriter out;
  out.flag(answer.has_value());
  if (answer) {
    write_value(out, *answer);
  } else {
    out.u32(static_cast<uint32_t>(answer.error().errno_value())).text(answer.error().text());
  }
  return out.take();
}

// Nothing if the bytes are no such answer.
template <class T>
std::optional<Result<T>> answer_from(std::string_view bytes) {
  ByteReader in(bytes);
  if (in.flag()) {
    T value{};
    if (!read_value(in, value) || !in.complete()) return std::nullopt;
    return Result<T>(std::move(value));
  }
  const auto code = static_cast<std::errc>(in.u32());
  std::string text = in.text();
  if (!in.complete()) return std::nullopt;
  return Result<T>(Error(code, std::move(text)));
}

}  // namespace tierhub::formats
