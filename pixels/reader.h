// Reads the voxels of an image, whatever its format: decodes the chunks that a region touches, and
// no others. An image without small levels appears to have them: they are computed when they are
// read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/result.h"
#include "common/worker_pool.h"
#include "formats/image.h"
#include "pixels/chunk_cache.h"
#include "pixels/shrink.h"

namespace tierhub::pixels {

// What the files behind some voxels are like: while it is settled and its hash is the same, so are the
// voxels. See formats::FileStamp.
struct Content {
  uint64_t hash = 0;
  bool is_settled = true;
};

// Any thread.
class PixelReader {
 public:
  struct Options {
    size_t threads = 1;  // that decode the chunks of one region
    // Of decoded chunks that are kept: a region had only a part of them, or they were computed.
    uint64_t cache_bytes = uint64_t{256} << 20;
    // Instead of cache_bytes: a cache that several readers share.
    std::shared_ptr<ChunkCache> cache{};
    Shrink shrink = Shrink::mean;  // of levels that are not stored
    // Chunks whose files have changed are read again. For images of many files, of which one may be
    // written again; the image's tree must follow changes too.
    bool follows_changes = false;
  };
  // An error names the reason if the pixels cannot be decoded.
  static Result<std::unique_ptr<PixelReader>> open(std::unique_ptr<formats::Image> image,
                                                   const Options& options);
  static Result<std::unique_ptr<PixelReader>> open(const std::string& path, const Options& options);

  const formats::Image& image() const { return *image_; }
  const formats::ImageInfo& info() const { return image_->info(); }

  // The levels of the image, then those that are not stored, each half of the one before in y and
  // x, until both sides have at most kSmallestLevel voxels. Reading one of those reads the last
  // stored level: all of it for the whole of the smallest.
  const std::vector<formats::Level>& levels() const { return levels_; }

  // Fills `voxels` with the region in the order t, c, z, y, x (x fastest), as numbers of `type`,
  // little-endian; it has exactly that size. `type` must be able to hold every number of the
  // image's type. An error if the region leaves the image.
  Result<void> read(const formats::Region& region, formats::PixelType type,
                    std::span<std::byte> voxels) const;

  // What the files behind the regions are like now; always the same if changes are not followed.
  // Looks at them, and reads nothing.
  Result<Content> content_of(std::span<const formats::Region> regions) const;

  // Calls `use` for the stored chunks whose bytes reading the region would fetch now: not for those
  // that are decoded already, or are not stored. For a level that is not stored these are chunks of
  // the last stored one, and a chunk may come more than once. Stops at the first error of `use`.
  Result<void> for_each_unread_chunk(const formats::Region& region,
                                     const formats::Image::UseChunk& use) const;

 private:
  struct Target {
    formats::Region region;
    formats::PixelType type;
    std::span<std::byte> voxels;
  };

  PixelReader(std::unique_ptr<formats::Image> image, const Options& options);
  bool is_stored(uint64_t level) const { return level < info().levels.size(); }
  Result<Content> content_of(const formats::Chunk& chunk) const;
  Result<Content> content_of_files(std::vector<std::string> paths) const;
  Result<void> read_target(const Target& target, bool parallel) const;
  Result<void> for_each_chunk(const formats::Region& region,
                              const formats::Image::UseChunk& use) const;
  Result<void> read_chunk(const formats::Chunk& chunk, const Target& target) const;
  Result<void> read_parallel(const Target& target) const;
  // False: it is not stored.
  Result<bool> load(const formats::Chunk& chunk, std::span<std::byte> voxels) const;
  Result<void> compute(const formats::Chunk& chunk, std::span<std::byte> voxels) const;
  Result<bool> fetch(const formats::Chunk& chunk, std::string& packed) const;
  Result<void> fetch_plain(const formats::Chunk& chunk, std::span<std::byte> voxels) const;
  void copy(const formats::Chunk& chunk, const std::byte* decoded, const Target& target) const;

  const std::unique_ptr<formats::Image> image_;
  const Options options_;
  const std::vector<formats::Level> levels_;
  const std::unique_ptr<WorkerPool> pool_;  // null: one thread
  const std::shared_ptr<ChunkCache> cache_;
  const uint64_t number_;  // in the cache
};

// True if `to` can hold every number of `from`.
bool can_hold(formats::PixelType to, formats::PixelType from);

}  // namespace tierhub::pixels
