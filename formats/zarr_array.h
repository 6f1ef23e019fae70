// One Zarr array, of version 2 or 3, with or without shards: what it holds and where its chunks
// are. Zarr 3.0 core specification, sharding-indexed codec 1.0; Zarr 2 storage specification.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/guarded.h"
#include "common/result.h"
#include "formats/image.h"
#include "formats/json.h"

namespace tierhub::formats {

// Any thread.
class ZarrArray {
 public:
  // Reads the metadata in `folder` of the tree. `axes` names the dimensions, in their order.
  static Result<std::unique_ptr<ZarrArray>> open(const FileTree& tree, const std::string& folder,
                                                 const std::vector<Axis>& axes);

  PixelType type() const { return coding_type_; }
  const std::string& type_name() const { return type_name_; }
  // Why its chunks cannot be decoded.
  const std::optional<std::string>& not_decodable() const { return not_decodable_; }
  // Without the voxel size.
  Level level() const;
  // Image::for_each_chunk of this array as level `region.level`.
  Result<void> for_each_chunk(const FileTree& tree, const Region& region,
                              const Image::UseChunk& use) const;
  // Image::for_each_file.
  Result<void> for_each_file(const Region& region, const Image::UseFile& use) const;

 private:
  friend class ZarrArrayParser;
  // Where the chunks of a shard are in it: offset and size; both UINT64_MAX: it is not stored.
  using ShardIndex = std::vector<std::pair<uint64_t, uint64_t>>;

  std::string key_of(const Shape& at) const;
  Result<std::shared_ptr<const ShardIndex>> shard_index(const FileTree& tree,
                                                        const std::string& path) const;
  Result<std::shared_ptr<const ShardIndex>> read_shard_index(const FileTree& tree,
                                                             const std::string& path) const;
  Result<std::vector<FileRange>> place_of(const FileTree& tree, const Shape& at) const;

  std::string folder_;
  std::vector<Axis> axes_;
  PixelType coding_type_ = PixelType::other;
  std::string type_name_;
  std::string compressor_;
  std::optional<std::string> not_decodable_;
  std::array<std::byte, 8> fill_value_{};
  Grid grid_;    // of what is decoded alone: chunks, or the chunks inside shards
  Shape shard_;  // how large a shard is; the chunk's size if there are none
  bool sharded_ = false;
  bool index_at_start_ = false;
  bool index_has_checksum_ = false;
  std::string key_prefix_;  // "c/" or nothing
  char separator_ = '.';
  Shape stride_;
  std::shared_ptr<const Coding> coding_;
  // Of the shards that were read last, and what their files were like.
  struct KnownIndex {
    std::string path;
    FileStamp stamp;
    std::shared_ptr<const ShardIndex> index;
  };
  mutable Guarded<std::list<KnownIndex>> indices_;
};

}  // namespace tierhub::formats
