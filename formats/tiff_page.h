// One page of a TIFF file: how its pixels are stored, and where its strips or tiles are.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "formats/image.h"
#include "formats/tiff_directory.h"

namespace tierhub::formats {

// What all pages of an image share.
struct TiffPixels {
  PixelType type = PixelType::other;
  std::string type_name;
  uint64_t channels = 1;  // of one page
  bool apart = false;     // each channel is stored in strips of its own
  std::string compressor;
  std::optional<std::string> not_decodable;
};
TiffPixels tiff_pixels(const TiffDirectory& page);

class TiffPage {
 public:
  // Reads where the strips or tiles are.
  static Result<std::shared_ptr<const TiffPage>> open(const TiffFile& file,
                                                      const TiffDirectory& directory);

  // Of the strips or tiles; of pages that are stored in one piece, what is read at once.
  Shape chunk() const { return {1, apart_ ? 1 : channels_, 1, grid_.chunk.y, grid_.chunk.x}; }
  // Image::for_each_chunk of this page. `region` has the page's y, x and channels (from 0 on);
  // `place` gets what is the same in all chunks: level, t, z, and the first channel. Chunks are
  // counted from `first_index` on.
  Result<void> for_each_chunk(const Region& region, const Region& place, uint64_t first_index,
                              const Image::UseChunk& use) const;
  // How many chunks it has.
  uint64_t chunks() const;
  // How much memory it needs, in numbers.
  size_t weight() const { return offsets_.size() + sizes_.size() + 16; }
  // Where its pixels begin, if they are not compressed and in one piece.
  std::optional<uint64_t> contiguous_at() const;
  const std::shared_ptr<const Coding>& coding() const { return coding_; }

 private:
  Result<void> set_coding(const TiffFile& file, const TiffDirectory& directory);
  Result<void> join_strips();
  FileRange place_of(const Shape& at, const Region& part) const;

  std::string path_;
  uint64_t file_bytes_ = 0;
  uint64_t channels_ = 1;
  uint64_t stored_samples_ = 1;  // of a voxel in one chunk
  bool apart_ = false;
  bool tiled_ = false;
  bool plain_ = false;  // the bytes are the voxels
  bool one_piece_ = false;
  uint64_t voxel_bytes_ = 1;
  Grid grid_;  // y and x; c if apart
  std::vector<uint64_t> offsets_;
  std::vector<uint64_t> sizes_;
  std::shared_ptr<const Coding> coding_;
};

}  // namespace tierhub::formats
