// Voxels in memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "formats/box.h"
#include "imaging/voxels/huge_pages.h"

namespace tierhub::imaging {

using formats::Box;
using formats::Extent;
using formats::Halo;

// A dense block of voxels, x fastest. Grey images are held as uint16_t whatever they are stored as
// (uint8 is widened), labels as uint32_t.
template <class T>
struct Volume {
  Volume() = default;
  explicit Volume(const Extent& size) : extent(size) {
    voxels.reserve(size.voxels());
    prefer_huge_pages(voxels.data(), size.voxels() * sizeof(T));
    voxels.resize(size.voxels());
  }

  size_t index(uint64_t z, uint64_t y, uint64_t x) const {
    return (z * extent.y + y) * extent.x + x;
  }
  T& at(uint64_t z, uint64_t y, uint64_t x) { return voxels[index(z, y, x)]; }
  const T& at(uint64_t z, uint64_t y, uint64_t x) const { return voxels[index(z, y, x)]; }
  bool operator==(const Volume&) const = default;

  Extent extent;
  std::vector<T> voxels;
};

using GreyVolume = Volume<uint16_t>;
using LabelVolume = Volume<uint32_t>;
using MaskVolume = Volume<uint8_t>;  // 0 is background

// All of the volume of `shape` that `box` is a part of.
inline Box whole_of(const Box& box, const Extent& shape) {
  return {box.level, box.t, box.c, {0, shape.z}, {0, shape.y}, {0, shape.x}};
}

// Where `part` lies in an image that has the voxels of `whole` alone.
inline Box relative_to(const Box& part, const Box& whole) {
  return {0,
          0,
          0,
          {part.z.begin - whole.z.begin, part.z.end - whole.z.begin},
          {part.y.begin - whole.y.begin, part.y.end - whole.y.begin},
          {part.x.begin - whole.x.begin, part.x.end - whole.x.begin}};
}

// The other way round: where `part` of an image that has the voxels of `whole` lies in its volume.
inline Box absolute_to(const Box& part, const Box& whole) {
  return {whole.level,
          whole.t,
          whole.c,
          {part.z.begin + whole.z.begin, part.z.end + whole.z.begin},
          {part.y.begin + whole.y.begin, part.y.end + whole.y.begin},
          {part.x.begin + whole.x.begin, part.x.end + whole.x.begin}};
}

// The voxels of `part`, which lies inside `whole`, out of a volume that holds `whole`.
template <class T>
Volume<T> crop(const Volume<T>& volume, const Box& whole, const Box& part) {
  Volume<T> cut(part.extent());
  for (uint64_t z = part.z.begin; z < part.z.end; ++z) {
    for (uint64_t y = part.y.begin; y < part.y.end; ++y) {
      const T* from =
          &volume.at(z - whole.z.begin, y - whole.y.begin, part.x.begin - whole.x.begin);
      T* to = &cut.at(z - part.z.begin, y - part.y.begin, 0);
      std::copy(from, from + part.x.size(), to);
    }
  }
  return cut;
}

}  // namespace tierhub::imaging
