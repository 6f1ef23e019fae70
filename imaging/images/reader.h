// Reads boxes of voxels as volumes.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/result.h"
#include "formats/image.h"
#include "imaging/images/source.h"
#include "imaging/voxels/grey_scale.h"
#include "imaging/voxels/volume.h"
#include "pixels/reader.h"

namespace tierhub::imaging {

// Any thread.
class ImageReader {
 public:
  // An error names the reason if the image cannot be decoded.
  // Decodes with up to `threads` threads.
  static Result<ImageReader> open(const std::string& path, size_t threads = 1);
  // The same in one thread, with a cache of decoded chunks that several images share.
  static Result<ImageReader> open(const std::string& path,
                                  std::shared_ptr<pixels::ChunkCache> cache);

  const formats::ImageInfo& info() const { return pixels_->info(); }
  // The size of the volume at a box's level.
  Extent shape_at(uint64_t level) const { return info().levels[level].shape.extent(); }

  // Where what is computed from its grey values comes from.
  Source source() const;

  // Whether grey values stand for other numbers, so that set_scale() must be called before
  // read_grey(): voxels are neither uint8 nor uint16.
  bool needs_scale() const;
  void set_scale(const GreyScale& scale) { scale_ = scale; }
  // The smallest and the largest finite number in the box; nothing if there is none.
  Result<std::optional<ValueRange>> read_range(const Box& box) const;

  // The box must lie in the image.
  Result<GreyVolume> read_grey(const Box& box) const;
  // The numbers of the voxels as they are, in the image's own type.
  Result<std::vector<std::byte>> read_numbers(const Box& box) const;
  // Any unsigned type up to 32 bits.
  Result<LabelVolume> read_labels(const Box& box) const;

 private:
  ImageReader(std::unique_ptr<pixels::PixelReader> pixels, size_t threads)
      : pixels_(std::move(pixels)), parallel_(threads) {}

  template <class T>
  Result<Volume<T>> read(const Box& box, formats::PixelType type) const;

  std::unique_ptr<pixels::PixelReader> pixels_;
  Parallel parallel_;
  std::optional<GreyScale> scale_;
};

}  // namespace tierhub::imaging
