// Writes OME-Zarr 0.4 images chunk by chunk.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"
#include "formats/box.h"
#include "formats/image.h"
#include "formats/json.h"
#include "imaging/images/output.h"
#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

enum class Dimensions { yx, zyx };

struct ZarrLayout {
  Extent shape;
  Extent chunk;  // clipped to the shape
  Dimensions dimensions = Dimensions::zyx;
  // Where voxel 0 lies, in voxels of the image that this is a part of.
  Extent origin{0, 0, 0};
  formats::VoxelSize voxel_size{};
};

// An image of one channel and one level, compressed with Blosc. It appears under its name with
// commit(); equal voxels give equal files. T is uint16_t or uint32_t.
template <class T>
class ZarrWriter {
 public:
  // `attributes` are added to those of OME-Zarr.
  static Result<ZarrWriter> create(const std::string& path, const ZarrLayout& layout,
                                   const formats::Json& attributes);

  // The boxes of all chunks, in z, y, x order, clipped to the shape. Bounded by
  // formats::kMaxBlocks.
  Result<std::vector<Box>> chunks() const;
  // `box` is one of chunks(). A chunk of zeros gets no file.
  Result<void> write_chunk(const Box& box, const Volume<T>& volume);
  // All chunks of a volume that is in memory.
  Result<void> write_all(const Volume<T>& volume);
  // Writes another file into the image's folder.
  Result<void> write_file(const std::string& name, std::string_view bytes);
  Result<void> commit() { return folder_.commit(); }

 private:
  ZarrWriter(OutputFolder folder, const ZarrLayout& layout)
      : folder_(std::move(folder)), layout_(layout) {}
  std::string chunk_path(const Box& box) const;

  OutputFolder folder_;
  ZarrLayout layout_;
  std::vector<T> padded_;
};

extern template class ZarrWriter<uint16_t>;
extern template class ZarrWriter<uint32_t>;

}  // namespace tierhub::imaging
