// Fixed-width binary encoding: big-endian numbers, length-prefixed strings. Used for records on
// disk and for messages to the archive helper, so a decoder trusts nothing: past the end it returns
// zeros and remembers the failure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tierhub {

class ByteWriter {
 public:
  ByteWriter& u8(uint8_t v);
  ByteWriter& u16(uint16_t v);
  ByteWriter& u32(uint32_t v);
  ByteWriter& u64(uint64_t v);
  ByteWriter& i64(int64_t v) { return u64(static_cast<uint64_t>(v)); }
  ByteWriter& flag(bool v) { return u8(v ? 1 : 0); }
  ByteWriter& text(std::string_view v);  // u32 length, then the bytes
  ByteWriter& raw(std::string_view v);   // the bytes alone
  const std::string& bytes() const { return bytes_; }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}
  uint8_t u8();
  uint16_t u16();
  uint32_t u32();
  uint64_t u64();
  int64_t i64() { return static_cast<int64_t>(u64()); }
  bool flag() { return u8() != 0; }
  std::string text();
  std::string_view raw(size_t n);
  std::string_view rest() const { return rest_; }
  // True if everything asked for was there.
  bool ok() const { return ok_; }
  // True if everything asked for was there and nothing is left.
  bool complete() const { return ok_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace tierhub
