#include "formats/pixel_type.h"

#include <array>
#include <utility>

namespace tierhub::formats {
namespace {

constexpr std::array<std::pair<PixelType, std::string_view>, 11> kNames = {{
    {PixelType::uint8, "uint8"},
    {PixelType::int8, "int8"},
    {PixelType::uint16, "uint16"},
    {PixelType::int16, "int16"},
    {PixelType::uint32, "uint32"},
    {PixelType::int32, "int32"},
    {PixelType::uint64, "uint64"},
    {PixelType::int64, "int64"},
    {PixelType::float32, "float32"},
    {PixelType::float64, "float64"},
    {PixelType::other, "other"},
}};

}  // namespace

uint64_t bytes_of(PixelType type) {
  uint64_t bytes = 1;
  with_type(type, [&](auto sample) { bytes = sizeof sample; });
  return bytes;
}

bool is_float(PixelType type) { return type == PixelType::float32 || type == PixelType::float64; }

bool is_signed(PixelType type) {
  bool negative = false;
  with_type(type, [&](auto sample) { negative = decltype(sample)(-1) < decltype(sample)(0); });
  return negative;
}

std::string_view to_text(PixelType type) {
  for (const auto& [known, name] : kNames) {
    if (known == type) return name;
  }
  return "other";
}

std::optional<PixelType> pixel_type_from(std::string_view text) {
  for (const auto& [type, name] : kNames) {
    if (name == text && type != PixelType::other) return type;
  }
  return std::nullopt;
}

}  // namespace tierhub::formats
