#include "common/bytes.h"

namespace tierhub {
namespace {

template <class T>
void put(std::string& out, T v) {
  for (int shift = (sizeof(T) - 1) * 8; shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(v >> shift));
}

template <class T>
T get(std::string_view in) {
  T v = 0;
  for (const char c : in)
    v = static_cast<T>(static_cast<uint64_t>(v) << 8 | static_cast<uint8_t>(c));
  return v;
}

}  // namespace

ByteWriter& ByteWriter::u8(uint8_t v) { return put(bytes_, v), *this; }
ByteWriter& ByteWriter::u16(uint16_t v) { return put(bytes_, v), *this; }
ByteWriter& ByteWriter::u32(uint32_t v) { return put(bytes_, v), *this; }
ByteWriter& ByteWriter::u64(uint64_t v) { return put(bytes_, v), *this; }
ByteWriter& ByteWriter::text(std::string_view v) {
  return u32(static_cast<uint32_t>(v.size())).raw(v);
}
ByteWriter& ByteWriter::raw(std::string_view v) { return bytes_.append(v), *this; }

std::string_view ByteReader::raw(size_t n) {
  if (n > rest_.size()) {
    ok_ = false;
    rest_ = {};
    return {};
  }
  const std::string_view taken = rest_.substr(0, n);
  rest_.remove_prefix(n);
  return taken;
}

uint8_t ByteReader::u8() { return get<uint8_t>(raw(1)); }
uint16_t ByteReader::u16() { return get<uint16_t>(raw(2)); }
uint32_t ByteReader::u32() { return get<uint32_t>(raw(4)); }
uint64_t ByteReader::u64() { return get<uint64_t>(raw(8)); }
std::string ByteReader::text() {
  const uint32_t size = u32();
  return std::string(raw(size));
}

}  // namespace tierhub
