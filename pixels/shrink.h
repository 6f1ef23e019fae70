// How a smaller level of an image follows from the one before it: y and x are halved, z is kept.
#pragma once

#include <cstddef>
#include <span>

#include "formats/image.h"

namespace tierhub::pixels {

// How a voxel follows from the four behind it (fewer at the edge). The mean is for pictures;
// integers are rounded to the nearest, halves up. Labels need the nearest: the first of the four.
enum class Shrink { mean, nearest };

// The side from which on an image needs no smaller level: it fits into a picture.
inline constexpr uint64_t kSmallestLevel = 512;

formats::Shape halved(const formats::Shape& shape);

// The region of the level before, of shape `behind`, that `region` follows from.
formats::Region region_behind(const formats::Region& region, const formats::Shape& behind);

// Fills `to`, of shape `shape`, from `from`, which has the region behind it. Both are dense, in the
// order t, c, z, y, x.
void shrink(formats::PixelType type, const formats::Shape& behind, std::span<const std::byte> from,
            const formats::Shape& shape, std::span<std::byte> to, Shrink how);

}  // namespace tierhub::pixels
