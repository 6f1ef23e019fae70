// Reads boxes of voxels as volumes.
#pragma once

#include <memory>
#include <string>

#include "common/result.h"
#include "formats/image.h"
#include "imaging/voxels/volume.h"
#include "pixels/reader.h"

namespace tierhub::imaging {

// Any thread.
class ImageReader {
 public:
  // An error names the reason if the image cannot be decoded.
  // Decodes with up to `threads` threads.
  static Result<ImageReader> open(const std::string& path, size_t threads = 1);

  const formats::ImageInfo& info() const { return pixels_->info(); }
  // The size of the volume at a box's level.
  Extent shape_at(uint64_t level) const { return info().levels[level].shape.extent(); }

  // An 8-bit or 16-bit unsigned image. The box must lie in the image.
  Result<GreyVolume> read_grey(const Box& box) const;
  // Any unsigned type up to 32 bits.
  Result<LabelVolume> read_labels(const Box& box) const;

 private:
  explicit ImageReader(std::unique_ptr<pixels::PixelReader> pixels) : pixels_(std::move(pixels)) {}

  template <class T>
  Result<Volume<T>> read(const Box& box, formats::PixelType type) const;

  std::unique_ptr<pixels::PixelReader> pixels_;
};

}  // namespace tierhub::imaging
