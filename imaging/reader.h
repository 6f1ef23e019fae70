// Reads boxes of voxels from a dataset: only the chunks, strips and tiles that touch the box.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/result.h"
#include "formats/dataset.h"
#include "imaging/tiff_pages.h"
#include "imaging/volume.h"

namespace tierhub::imaging {

// One thread at a time.
class ImageReader {
 public:
  // An error names the format if it is one that cannot be decoded.
  static Result<ImageReader> open(const std::string& path);

  const formats::Dataset& dataset() const { return *dataset_; }
  // The size of the volume at a box's level.
  Extent shape_at(uint64_t level) const { return dataset_->levels[level].shape.extent(); }

  // An 8-bit or 16-bit image. The box must lie in the dataset.
  Result<GreyVolume> read_grey(const Box& box);
  // Any unsigned type up to 32 bits.
  Result<LabelVolume> read_labels(const Box& box);

 private:
  explicit ImageReader(formats::Dataset dataset)
      : dataset_(std::make_unique<formats::Dataset>(std::move(dataset))) {}

  template <class T>
  Result<Volume<T>> read(const Box& box);
  template <class T>
  Result<void> read_zarr(const Box& box, Volume<T>& volume);
  template <class T>
  Result<void> read_tiff(const Box& box, Volume<T>& volume);
  // The bytes of a chunk, unpacked; false if it has no file.
  Result<bool> load_chunk(const formats::Level& level, const formats::Shape& at);

  std::unique_ptr<formats::Dataset> dataset_;  // stays in place: the pages point to it
  std::unique_ptr<TiffPages> pages_;
  std::vector<std::byte> buffer_;
};

}  // namespace tierhub::imaging
