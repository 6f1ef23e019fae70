// A file with the small levels of one image, which its source does not have.
//
//   magic "THPYRAM1" | key of the image, 32 bytes | number of tiles | offset and checksum of the index
//   tiles, each a Zstandard frame
//   index: offset, size and checksum of each tile
//
// All numbers are little-endian, of 64 bits, but for a tile's size and checksum of 32. Tiles are 512 x 512
// voxels of one plane, cut at the edges, in the order of levels and in each of t, c, z, y, x. It is a
// cache: what is wrong with one is an error, and it is built again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/result.h"
#include "common/unique_fd.h"
#include "formats/image.h"

namespace tierhub::hub {

// Which tiles a pyramid has. Immutable; any thread.
class PyramidPlan {
 public:
  // `levels` of the image, of which the first `stored` are not in the pyramid.
  PyramidPlan(const std::vector<formats::Level>& levels, size_t stored, formats::PixelType type);

  formats::PixelType type() const { return type_; }
  uint64_t tiles() const { return tiles_; }
  bool has(uint64_t level) const { return level >= stored_ && level < stored_ + grids_.size(); }
  const formats::Grid& grid_of(uint64_t level) const { return grids_[level - stored_]; }
  // Among all tiles; `at` counts tiles of the level.
  uint64_t number_of(uint64_t level, const formats::Shape& at) const {
    return first_[level - stored_] + grid_of(level).index_of(at);
  }

 private:
  size_t stored_;
  formats::PixelType type_;
  std::vector<formats::Grid> grids_;
  std::vector<uint64_t> first_;  // the number of each level's first tile
  uint64_t tiles_ = 0;
};

struct PyramidTile {
  uint64_t offset_bytes = 0;
  uint32_t size_bytes = 0;  // 0: not written yet
  uint32_t check = 0;
};

// One thread. Until commit() there is a file with a temporary name, which the object removes and which
// has a lock, so that others can tell it from one that a crash has left.
class PyramidWriter {
 public:
  static Result<std::unique_ptr<PyramidWriter>> create(const std::string& folder,
                                                       const std::string& key, PyramidPlan plan);
  ~PyramidWriter();
  PyramidWriter(const PyramidWriter&) = delete;
  PyramidWriter& operator=(const PyramidWriter&) = delete;

  const PyramidPlan& plan() const { return plan_; }
  Result<void> add(uint64_t tile, std::span<const std::byte> voxels);
  // A tile that was added.
  Result<void> read(uint64_t tile, std::span<std::byte> voxels) const;
  uint64_t size_bytes() const { return size_bytes_; }
  // Writes the index, syncs the file and gives it its name.
  Result<void> commit();

 private:
  PyramidWriter(std::string folder, std::string key, PyramidPlan plan);

  const std::string folder_;
  const std::string key_;
  const PyramidPlan plan_;
  std::string temporary_;  // empty: there is none any more
  UniqueFd fd_;
  std::vector<PyramidTile> index_;
  uint64_t size_bytes_ = 0;
};

// Any thread.
class PyramidFile {
 public:
  // Null if there is none for the key. One that is damaged is removed.
  static std::shared_ptr<const PyramidFile> open(const std::string& folder, const std::string& key,
                                                 const PyramidPlan& plan);

  bool has(uint64_t level) const { return plan_.has(level); }
  // As PixelReader::read(), of one of its levels, in the image's type. After an error the file is
  // removed, and is_damaged().
  Result<void> read(const formats::Region& region, std::span<std::byte> voxels) const;
  bool is_damaged() const { return is_damaged_; }

 private:
  PyramidFile(std::string path, UniqueFd fd, PyramidPlan plan)
      : path_(std::move(path)), fd_(std::move(fd)), plan_(std::move(plan)) {}
  Result<void> read_index(const std::string& key);
  Result<void> read_tiles(const formats::Region& region, std::span<std::byte> voxels) const;

  const std::string path_;
  const UniqueFd fd_;
  const PyramidPlan plan_;
  std::vector<PyramidTile> index_;
  mutable std::atomic<bool> is_damaged_ = false;
};

}  // namespace tierhub::hub
