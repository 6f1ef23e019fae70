// An image of one channel and time point that is made part by part: at once, or by tasks of which
// each writes its own.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/result.h"
#include "imaging/images/image_writer.h"
#include "imaging/images/memory.h"
#include "imaging/images/reader.h"
#include "pixels/shrink.h"

namespace tierhub::imaging {

// Of an image that has the voxels of `box` of another one, and its type, voxel size and channel.
ImageLayout layout_of_image(const formats::ImageInfo& info, const Box& box);
// The same for grey values that were read from it.
ImageLayout layout_of_box(const ImageReader& reader, const Box& box);
// Gives it another size, with the chunks that images of this size have.
void set_size(ImageLayout& layout, const Extent& size);

struct MadeImage {
  ImageLayout layout;
  // Writes the voxels of `part` of it, which consists of whole chunks.
  std::function<Result<void>(const Box& part, const ImageWriter& image)> write;
  // The memory of writing parts one after the other.
  std::function<Result<void>(MemoryUse& memory, const std::vector<Box>& parts)> use;
  pixels::Shrink shrink = pixels::Shrink::mean;  // of smaller levels
};
// `parts` of an image that has the voxels of `box`, as boxes of the image that `box` is of.
std::vector<Box> behind_parts(const std::vector<Box>& parts, const Box& box);

// All of it, with the smaller levels that an image of this size has. Memory is bounded by a part.
Result<void> make_at_once(const MadeImage& made, const std::string& out, Parallel parallel);
Result<void> make_at_once(MemoryUse& memory, const MadeImage& made);

// One part of it. The image is made, once the part is computed, if there is none yet; add_levels()
// writes the smaller levels when all parts are there. It is then equal to that of make_at_once().
Result<void> make_part(const MadeImage& made, const Box& part, const std::string& out);

// Adds the smaller levels to an OME-Zarr 0.4 image that blocks wrote. It may be repeated. Returns
// how many levels the image has then.
Result<size_t> add_levels(const std::string& image, pixels::Shrink shrink, Parallel parallel);

}  // namespace tierhub::imaging
