#include "pixels/decode.h"

#include <bit>
#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "pixels/codecs.h"
#include "pixels/picture_decoder.h"
#include "pixels/slide_decoder.h"
#include "pixels/tiff_decoder.h"

namespace tierhub::pixels {
namespace {

using formats::ArrayCoding;

static_assert(std::endian::native == std::endian::little, "voxels are little-endian in memory");

template <class T, class Swap>
void swap_all(std::span<std::byte> bytes, Swap swap) {
  for (size_t i = 0; i + sizeof(T) <= bytes.size(); i += sizeof(T)) {
    T value;
    std::memcpy(&value, &bytes[i], sizeof value);
    value = swap(value);
    std::memcpy(&bytes[i], &value, sizeof value);
  }
}

void swap_numbers(std::span<std::byte> bytes, uint64_t number_bytes) {
  if (number_bytes == 2) swap_all<uint16_t>(bytes, [](uint16_t v) { return __builtin_bswap16(v); });
  if (number_bytes == 4) swap_all<uint32_t>(bytes, [](uint32_t v) { return __builtin_bswap32(v); });
  if (number_bytes == 8) swap_all<uint64_t>(bytes, [](uint64_t v) { return __builtin_bswap64(v); });
}

float to_single(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = (half >> 10) & 31;
  const uint32_t fraction = half & 1023;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000 | fraction << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
  // Zero, or a number too small to have a leading one.
  const float small = static_cast<float>(fraction) * 0x1p-24F;
  return sign != 0 ? -small : small;
}

Result<void> decode_array(const ArrayCoding& coding, std::span<const std::byte> packed,
                          std::span<std::byte> voxels) {
  if (coding.number != ArrayCoding::Number::half_float) {
    TRY(undo_codecs(coding.codecs, packed, voxels));
    swap_numbers(voxels, coding.order == formats::ByteOrder::big ? coding.stored_bytes() : 1);
    return {};
  }
  const std::span<std::byte> halves = voxels.last(voxels.size() / 2);
  TRY(undo_codecs(coding.codecs, packed, halves));
  if (coding.order == formats::ByteOrder::big) swap_numbers(halves, 2);
  widen_halves(halves, voxels);
  return {};
}

}  // namespace

void widen_halves(std::span<const std::byte> halves, std::span<std::byte> floats) {
  for (size_t i = 0; i < halves.size() / 2; ++i) {
    uint16_t half = 0;
    std::memcpy(&half, &halves[2 * i], sizeof half);
    const float value = to_single(half);
    std::memcpy(&floats[4 * i], &value, sizeof value);
  }
}

bool is_stored_plain(const formats::Coding& coding) {
  const auto* array = std::get_if<ArrayCoding>(&coding);
  return array != nullptr && array->codecs.empty() &&
         array->number != ArrayCoding::Number::half_float;
}

void to_little_endian(const formats::Coding& coding, std::span<std::byte> voxels) {
  const auto* array = std::get_if<ArrayCoding>(&coding);
  if (array != nullptr && array->order == formats::ByteOrder::big)
    swap_numbers(voxels, array->stored_bytes());
}

Result<void> decode(const formats::Chunk& chunk, std::span<const std::byte> packed,
                    std::span<std::byte> voxels) {
  struct Decoder {
    const formats::Chunk& chunk;
    std::span<const std::byte> packed;
    std::span<std::byte> voxels;
    Result<void> operator()(const ArrayCoding& coding) const {
      return decode_array(coding, packed, voxels);
    }
    Result<void> operator()(const formats::TiffCoding& coding) const {
      return decode_tiff(coding, chunk.stored, packed, voxels);
    }
    Result<void> operator()(const formats::PictureCoding& coding) const {
      return decode_picture(coding, chunk.stored, packed, voxels);
    }
    Result<void> operator()(const formats::SlideCoding& coding) const {
      return decode_slide(coding, chunk.region, voxels);
    }
  };
  return std::visit(Decoder{chunk, packed, voxels}, *chunk.coding);
}

}  // namespace tierhub::pixels
