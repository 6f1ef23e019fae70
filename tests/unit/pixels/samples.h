// Images of known voxels in every format that is read, written byte by byte or by the format's own
// library.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "formats/image.h"

namespace tierhub::test {

using Files = std::map<std::string, std::string>;

// The number of a voxel, from where it is: all bits of its type are used.
template <class T>
T voxel_at(uint64_t t, uint64_t c, uint64_t z, uint64_t y, uint64_t x) {
  uint64_t mixed = (((t * 7 + c) * 31 + z) * 101 + y) * 1009 + x;
  mixed = (mixed ^ (mixed >> 7)) * 0x9E3779B97F4A7C15U;
  mixed ^= mixed >> 29;
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(static_cast<int64_t>(mixed % 2048) - 1024) / T(8);
  } else {
    return static_cast<T>(mixed);
  }
}

// One image to read.
struct Sample {
  std::string name;  // for the name of a test
  formats::PixelType type = formats::PixelType::uint8;
  formats::Shape shape;  // of level 0
  Files files;
  std::string file;  // that is opened; empty: the folder
  // The voxel as it must be read, if it is not voxel_at(): the value is cast to the type.
  std::function<double(uint64_t t, uint64_t c, uint64_t z, uint64_t y, uint64_t x)> expected;
};

std::vector<Sample> all_samples();

// The voxels of a region of the sample, in the order t, c, z, y, x.
std::string expected_voxels(const Sample& sample, const formats::Region& region);

// Bytes of little-endian or big-endian numbers.
template <class T>
std::string bytes_of_number(T value, bool big_endian) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  if (big_endian) std::reverse(bytes.begin(), bytes.end());
  return bytes;
}

// Half precision, of a number that it can hold and that is not too small.
inline uint16_t to_half(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (value == 0) return static_cast<uint16_t>(bits >> 16);
  return static_cast<uint16_t>((bits >> 16 & 0x8000) | ((bits >> 13 & 0x3FFFF) - (112 << 10)));
}

std::vector<Sample> zarr_samples();
std::vector<Sample> tiff_samples();
std::vector<Sample> hdf5_samples();
std::vector<Sample> other_samples();
std::vector<Sample> series_samples();

}  // namespace tierhub::test
