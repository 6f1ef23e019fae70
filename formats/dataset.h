// What a dataset is: read only from its metadata, without decoding a pixel.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "formats/box.h"
#include "formats/file_tree.h"

namespace tierhub::formats {

enum class Kind { ome_zarr, tiff };
enum class Axis { t, c, z, y, x };
enum class PixelType { uint8, uint16, uint32, other };
enum class ByteOrder { little, big };
enum class Codec { none, zlib, gzip, zstd, blosc, other };

// How long a volume or a chunk is on each axis; 1 where the dataset has no such axis.
struct Shape {
  uint64_t t = 1;
  uint64_t c = 1;
  uint64_t z = 1;
  uint64_t y = 1;
  uint64_t x = 1;
  constexpr uint64_t along(Axis axis) const {
    switch (axis) {
      case Axis::t:
        return t;
      case Axis::c:
        return c;
      case Axis::z:
        return z;
      case Axis::y:
        return y;
      case Axis::x:
        return x;
    }
    return 1;
  }
  constexpr Extent extent() const { return {z, y, x}; }
  constexpr bool operator==(const Shape&) const = default;
};

// The size of a voxel, in whatever unit the metadata uses; 1 where it says nothing.
struct VoxelSize {
  double z = 1;
  double y = 1;
  double x = 1;
  constexpr bool operator==(const VoxelSize&) const = default;
};

// How the stored numbers look.
struct Pixels {
  PixelType type = PixelType::other;
  std::string type_name;  // "uint16", or as the format calls it: "<f8"
  uint64_t bytes = 1;     // of one voxel
  ByteOrder order = ByteOrder::little;
};

// One resolution: 0 is the finest.
struct Level {
  Shape shape;
  Shape chunk;       // OME-Zarr: of a chunk; TIFF: a strip or a tile
  std::string path;  // OME-Zarr: the array's folder, relative to the dataset; TIFF: empty
  char separator = '.';
  std::string compressor;  // as the format calls it; "none" if there is none
  Codec codec = Codec::none;
  uint64_t fill_value = 0;
  Pixels pixels;
  VoxelSize voxel_size;
  bool voxel_size_known = false;
};

// One image of a TIFF file: a plane.
struct TiffPage {
  uint64_t directory_offset_bytes = 0;
};

struct Dataset {
  Kind kind = Kind::ome_zarr;
  std::string path;  // as it was opened
  // OME-Zarr: in the order of storage, slowest first. TIFF: in the order t, c, z, y, x, without
  // those of length 1.
  std::vector<Axis> axes;
  std::vector<Level> levels;
  // The metadata files, relative to the dataset; empty for a single file.
  std::vector<std::string> metadata_files;
  std::vector<TiffPage> pages;  // TIFF only, in the order of the file
  uint64_t file_bytes = 0;      // TIFF only
  // How far apart in `pages` neighbours in t, c and z are (TIFF only).
  uint64_t page_step_t = 1;
  uint64_t page_step_c = 1;
  uint64_t page_step_z = 1;
  // TIFF only: the file does not say what its pages are, so they were taken for planes along z.
  bool z_assumed = false;
  std::vector<std::string> channel_names;  // one a channel; empty if the metadata names none
  std::string voxel_unit;                  // "micrometer"; empty if it is not known
  // Why imgop cannot decode the pixels ("RGB TIFF: only grey 8/16-bit"); staging needs no pixel and
  // ignores it.
  std::optional<std::string> not_decodable;

  const Pixels& pixels() const { return levels.front().pixels; }
  // The axes that exist, in the order t, c, z, y, x.
  std::vector<Axis> sorted_axes() const;
  std::string axes_text() const;  // of sorted_axes(): "tczyx"
  bool has_axis(Axis axis) const;
};

// Reads what the dataset at `path` is: an OME-Zarr 0.4 image (a folder) or a TIFF file. Any other
// format is an error of code not_supported that names the format (a caller that only stages bytes
// then takes all files of the dataset); damaged metadata is one of code invalid_argument. Reads a
// bounded amount of memory, whatever the files say.
Result<Dataset> open_dataset(const std::string& path);
// The same through another source of bytes; `path` is only for texts.
Result<Dataset> open_dataset(const FileTree& tree, const std::string& path);

// An error unless `box` lies inside the dataset.
Result<void> check_box(const Dataset& dataset, const Box& box);

// The whole volume of one level, time point and channel; an error if there is no such volume.
Result<Box> whole_volume(const Dataset& dataset, uint64_t level = 0, uint64_t t = 0,
                         uint64_t c = 0);

std::string_view to_text(Kind kind);
std::string_view to_text(PixelType type);
char to_letter(Axis axis);

}  // namespace tierhub::formats
