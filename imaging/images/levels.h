// The smaller levels of an image that is being written.
#pragma once

#include <cstddef>
#include <vector>

#include "imaging/images/image_writer.h"
#include "imaging/images/memory.h"
#include "pixels/reader.h"
#include "pixels/shrink.h"

namespace tierhub::imaging {

// Beyond this size an image gets smaller levels, until both sides fit into a picture.
inline constexpr uint64_t kLargeSide = 1024;
bool is_large(const formats::Shape& shape);

// Writes a level as `image`, of the same type, has it.
Result<void> write_level(const pixels::PixelReader& image, const ImageWriter& writer, size_t level,
                         Parallel parallel);

// Adds the smaller levels to an image whose level 0 has been written: none if it is not large, else
// y and x are halved until both are at most 512. Returns how many levels it has then.
Result<size_t> add_smaller_levels(ImageWriter& writer, pixels::Shrink shrink, Parallel parallel);

// Of an image of the shape, the chunks and so many bytes a voxel: the same, and its memory.
void add_smaller_levels(MemoryUse& memory, const formats::Shape& shape, const formats::Shape& chunk,
                        uint64_t voxel_bytes);

// Adds levels of the given shapes to an image of labels; a voxel of a level is one of the level
// before, the first of those that it stands for.
Result<void> add_label_levels(ImageWriter& writer, const std::vector<formats::Shape>& shapes,
                              Parallel parallel);

}  // namespace tierhub::imaging
