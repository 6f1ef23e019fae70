// An image whose planes lie one after the other in one file, without compression.
#pragma once

#include "formats/image.h"

namespace tierhub::formats {

class RawPlanesImage : public Image {
 public:
  const ImageInfo& info() const override { return info_; }
  Result<void> for_each_chunk(const Region& region, const UseChunk& use) const override;

 protected:
  explicit RawPlanesImage(std::shared_ptr<const NotedTree> tree) : Image(std::move(tree)) {}
  // With info_ but for the type and the chunk: voxels lie from `offset_bytes` on, in the order t,
  // c, z, y, x. An error if the file is too short for them.
  Result<void> set_planes(const ArrayCoding& coding, uint64_t offset_bytes);

  ImageInfo info_;

 private:
  std::shared_ptr<const Coding> coding_;
  uint64_t offset_bytes_ = 0;
  uint64_t voxel_bytes_ = 1;
};

// How many rows of `row_bytes` are read at once where nothing else says it.
uint64_t rows_at_once(uint64_t row_bytes, uint64_t rows);

}  // namespace tierhub::formats
