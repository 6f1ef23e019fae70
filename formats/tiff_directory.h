// The image file directories of a TIFF or BigTIFF file. TIFF 6.0; BigTIFF: Aware Systems' design.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/result.h"
#include "formats/coding.h"
#include "formats/file_tree.h"

namespace tierhub::formats {

// A tag whose values are read when they are needed.
struct TiffEntry {
  uint64_t type = 0;
  uint64_t count = 0;  // 0: the tag is missing
  std::string value;   // the bytes inside the entry: the values, or their offset
};

// The tags that say what a page holds and where, with TIFF's defaults.
struct TiffDirectory {
  uint64_t offset_bytes = 0;
  uint64_t width = 0;
  uint64_t height = 0;
  uint64_t bits = 1;
  uint64_t samples = 1;
  uint64_t sample_format = 1;  // 1 unsigned, 2 signed, 3 floating point, 5 and 6 complex
  uint64_t compression = 1;
  uint64_t photometric = 1;
  uint64_t planar = 1;  // 1: the samples of a voxel lie together, 2: in planes
  uint64_t predictor = 1;
  uint64_t fill_order = 1;
  uint64_t fax_options = 0;
  uint64_t rows_per_strip = 0;
  uint64_t tile_width = 0;
  uint64_t tile_height = 0;
  bool reduced = false;       // a smaller copy of another page
  bool grey_palette = false;  // its palette maps each of 256 values to that shade of grey
  double x_resolution = 0;    // pixels per unit; 0 if the file does not say
  double y_resolution = 0;
  uint64_t resolution_unit = 2;  // 1 none, 2 inch, 3 centimetre
  TiffEntry bits_of_samples;
  TiffEntry chunk_offsets;
  TiffEntry chunk_bytes;
  TiffEntry sub_directories;
  TiffEntry jpeg_tables;
  TiffEntry subsampling;
  TiffEntry palette;
  std::vector<std::string>
      descriptions;  // only if they were asked for; some programs write several

  std::string software;  // only if descriptions were asked for

  bool tiled() const { return tile_width != 0 && tile_height != 0; }
};

inline constexpr size_t kMaxTiffPages = 1'000'000;

// One file. Any thread.
class TiffFile {
 public:
  // `path` is the file in the tree. Borrows the tree.
  static Result<TiffFile> open(const FileTree& tree, const std::string& path);

  enum class Descriptions { skipped, read };
  // The directory at `offset_bytes`; `next_bytes` gets the place of the following one, 0 after the
  // last.
  Result<TiffDirectory> read_directory(uint64_t offset_bytes, uint64_t& next_bytes,
                                       Descriptions descriptions = Descriptions::skipped) const;
  // Calls `use` for each directory of the file in order: at most kMaxTiffPages, and an error if
  // they form a loop. The first has its descriptions.
  template <class Use>
  Result<void> for_each_directory(Use&& use) const {
    uint64_t offset_bytes = first_;
    // Brent's way to find a loop: compare with the offset at the last power of two.
    uint64_t seen_bytes = 0;
    for (size_t i = 0; offset_bytes != 0; ++i) {
      TRY(check_progress(i, offset_bytes, seen_bytes));
      if ((i & (i - 1)) == 0) seen_bytes = offset_bytes;
      uint64_t next_bytes = 0;
      TRY_ASSIGN(TiffDirectory directory,
                 read_directory(offset_bytes, next_bytes,
                                i == 0 ? Descriptions::read : Descriptions::skipped));
      TRY(use(std::move(directory)));
      offset_bytes = next_bytes;
    }
    return {};
  }

  // The values of a tag: BYTE, SHORT, LONG, LONG8 or IFD; an error if there are more than `limit`.
  Result<std::vector<uint64_t>> numbers(const TiffEntry& entry, uint64_t limit) const;
  // The bytes of a tag; an error if there are more than `limit`.
  Result<std::string> bytes(const TiffEntry& entry, uint64_t limit) const;

  const std::string& path() const { return path_; }
  uint64_t file_bytes() const { return file_bytes_; }
  ByteOrder order() const { return big_endian_ ? ByteOrder::big : ByteOrder::little; }

 private:
  TiffFile(const FileTree& tree, std::string path) : tree_(&tree), path_(std::move(path)) {}
  Error damaged(std::string_view what) const;
  Result<void> check_progress(size_t directories, uint64_t offset_bytes, uint64_t seen_bytes) const;
  uint64_t number(std::string_view bytes) const;
  Result<std::string> bytes_at(uint64_t offset_bytes, uint64_t size_bytes,
                               std::string_view what) const;
  double fraction(const TiffEntry& entry) const;
  bool is_grey_palette(const TiffEntry& entry) const;
  void apply(uint64_t tag, TiffEntry entry, TiffDirectory& directory) const;

  const FileTree* tree_;
  std::string path_;
  uint64_t file_bytes_ = 0;
  uint64_t first_ = 0;
  bool big_endian_ = false;
  bool big_tiff_ = false;
};

}  // namespace tierhub::formats
