// The types of voxels.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tierhub::formats {

// What voxels are once they are decoded. Files store others too (12 bits, half floats, bits): they
// are decoded to the smallest type here that holds each of their values.
enum class PixelType {
  uint8,
  int8,
  uint16,
  int16,
  uint32,
  int32,
  uint64,
  int64,
  float32,
  float64,
  other,  // complex numbers, text: never decoded
};

uint64_t bytes_of(PixelType type);  // 1 for `other`
bool is_float(PixelType type);
bool is_signed(PixelType type);
// "uint16"
std::string_view to_text(PixelType type);
std::optional<PixelType> pixel_type_from(std::string_view text);

// Calls `use(T())` with T the C++ type of `type`; does nothing for `other`.
template <class Use>
void with_type(PixelType type, Use&& use) {
  switch (type) {
    case PixelType::uint8:
      return use(uint8_t());
    case PixelType::int8:
      return use(int8_t());
    case PixelType::uint16:
      return use(uint16_t());
    case PixelType::int16:
      return use(int16_t());
    case PixelType::uint32:
      return use(uint32_t());
    case PixelType::int32:
      return use(int32_t());
    case PixelType::uint64:
      return use(uint64_t());
    case PixelType::int64:
      return use(int64_t());
    case PixelType::float32:
      return use(float());
    case PixelType::float64:
      return use(double());
    case PixelType::other:
      return;
  }
}

}  // namespace tierhub::formats
