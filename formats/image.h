// One way to open an image, whatever the format: what it is, and which bytes of which files hold a
// region of it. Reads metadata only; pixels/ decodes.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "formats/box.h"
#include "formats/coding.h"
#include "formats/file_tree.h"
#include "formats/noted_tree.h"
#include "formats/pixel_type.h"

namespace tierhub::formats {

enum class Axis { t, c, z, y, x };

// How long a volume or a chunk is on each axis; 1 where the image has no such axis.
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
  constexpr uint64_t& along(Axis axis) {
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
        break;
    }
    return x;
  }
  constexpr uint64_t voxels() const { return t * c * z * y * x; }
  constexpr Extent extent() const { return {z, y, x}; }
  constexpr bool operator==(const Shape&) const = default;
};

// The size of a voxel, in ImageInfo::voxel_unit; 1 where the metadata says nothing.
struct VoxelSize {
  double z = 1;
  double y = 1;
  double x = 1;
  constexpr bool operator==(const VoxelSize&) const = default;
};

// One resolution: 0 is the finest.
struct Level {
  Shape shape;
  Shape chunk;             // the usual size of a chunk
  std::string path;        // OME-Zarr: the array's folder, relative to the image; else empty
  std::string compressor;  // as the format calls it; "none" if there is none
  VoxelSize voxel_size;
  bool voxel_size_known = false;
  // The voxels of chunks that are not stored: one number of the image's type, little-endian.
  std::array<std::byte, 8> fill_value{};
};

struct Channel {
  std::string name;                // empty if it has none
  std::optional<uint32_t> colour;  // 0xRRGGBB
};

// What an image is.
struct ImageInfo {
  std::string path;    // as it was opened
  std::string format;  // "OME-Zarr", "TIFF", "OME-TIFF", "MRC", "Imaris"
  // Those that exist, in the order t, c, z, y, x.
  std::vector<Axis> axes;
  PixelType type = PixelType::other;
  std::string type_name;          // "uint16", or as the format calls what is never decoded: "<c8"
  std::vector<Level> levels;      // at least one
  std::vector<Channel> channels;  // one for each channel, or none if nothing is known about them
  std::string voxel_unit;         // "micrometer"; empty if it is not known
  std::string plate;              // the path of the plate that this is a field of; else empty
  std::string well;               // "A/1"
  // The file does not say what its pages are, so they were taken for planes along z.
  bool z_assumed = false;
  // Of numbered files: "a_t<001-100>_c<0-1>.tif", and how many they are.
  std::string series;
  uint64_t files = 1;
  // Why the pixels cannot be decoded; staging needs no pixel and ignores it.
  std::optional<std::string> not_decodable;

  std::string axes_text() const;                     // "tczyx"
  std::string sizes_text(const Shape& shape) const;  // "2 x 64 x 512 x 512", of the axes
  bool has_axis(Axis axis) const;
  uint64_t planes() const;  // along t, c and z
};

// Voxels of one level: a range on each axis.
struct Region {
  uint64_t level = 0;
  AxisRange t{0, 1};
  AxisRange c{0, 1};
  AxisRange z{0, 1};
  AxisRange y;
  AxisRange x;

  constexpr Region() = default;
  constexpr Region(uint64_t l, AxisRange t_, AxisRange c_, AxisRange z_, AxisRange y_, AxisRange x_)
      : level(l), t(t_), c(c_), z(z_), y(y_), x(x_) {}
  constexpr Region(const Box& box)  // a box is a region of one time point and channel
      : level(box.level), t{box.t, box.t + 1}, c{box.c, box.c + 1}, z(box.z), y(box.y), x(box.x) {}
  constexpr Shape shape() const { return {t.size(), c.size(), z.size(), y.size(), x.size()}; }
  constexpr bool empty() const {
    return t.empty() || c.empty() || z.empty() || y.empty() || x.empty();
  }
  constexpr bool operator==(const Region&) const = default;
};
// The common voxels; empty if there are none. Both are of one level.
Region intersect(const Region& a, const Region& b);
// All of a level.
Region whole(const Shape& shape, uint64_t level);

// The smallest part of an image that can be decoded alone.
struct Chunk {
  Region region;                 // the voxels that it holds, inside the image
  std::vector<FileRange> bytes;  // to be joined; empty: all voxels have the level's fill value
  uint64_t index = 0;            // its own within the level
  Shape stored;                  // with what is stored beyond the edge of the image
  Shape stride;                  // from a decoded voxel to its neighbour on each axis, in voxels
  std::shared_ptr<const Coding> coding;
};

// Immutable; any thread. Every size and offset is checked against the files; memory and time are
// bounded, whatever the files say.
class Image {
 public:
  // An OME-Zarr image, a TIFF file, ...: the file or folder that `tree` was opened at. A folder whose
  // image files are one numbered series is that series; a file of it is that file alone. A format
  // that is not known is an error of code not_supported that names it and says how to convert it (a
  // caller that only stages bytes then takes all files); damaged metadata is one of code
  // invalid_argument.
  static Result<std::unique_ptr<Image>> open(std::shared_ptr<const FileTree> tree);
  static Result<std::unique_ptr<Image>> open(const std::string& path);
  // The numbered series that the file at `path` belongs to, whatever else its folder holds; an error
  // if it belongs to none.
  static Result<std::unique_ptr<Image>> open_series_of(const std::string& path);
  // The same for the file `name` of a folder.
  static Result<std::unique_ptr<Image>> open_series_of(std::shared_ptr<const FileTree> folder,
                                                       const std::string& name);
  virtual ~Image() = default;
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;

  virtual const ImageInfo& info() const = 0;

  // Calls `use` for each chunk with voxels of `region`, in a fixed order; stops at its first error.
  // An error if the region leaves the image or touches more than kMaxChunks chunks. May read
  // metadata (an index of a shard, a directory of a TIFF file).
  using UseChunk = std::function<Result<void>(const Chunk&)>;
  static constexpr uint64_t kMaxChunks = 4'000'000;
  // What is decoded at once is never larger.
  static constexpr uint64_t kMaxChunkBytes = uint64_t{1} << 30;
  virtual Result<void> for_each_chunk(const Region& region, const UseChunk& use) const = 0;

  // Calls `use` for the files that bytes of `region` may come from: all of them, and perhaps others, some
  // more than once. Where the names of files follow from the region nothing is read.
  using UseFile = std::function<Result<void>(const std::string& path)>;
  virtual Result<void> for_each_file(const Region& region, const UseFile& use) const;

  // The files of an image that has several and is named by one of them (a set of OME-TIFF files, a
  // slide with its data), or of a series, relative to the tree; else none.
  virtual std::vector<std::string> members() const { return {}; }

  // The files, for reading the bytes of chunks.
  const FileTree& files() const { return *tree_->inner(); }
  // The bytes that were read so far to learn what the image is and where its chunks are. Whoever
  // opens it again and reads the same regions needs no others besides the chunks'.
  std::vector<FileRange> metadata() const { return tree_->noted(); }

 protected:
  explicit Image(std::shared_ptr<const NotedTree> tree) : tree_(std::move(tree)) {}
  const FileTree& tree() const { return *tree_; }

 private:
  const std::shared_ptr<const NotedTree> tree_;
};

// The product of all sizes, or nothing if it is 0 or larger than `limit`.
std::optional<uint64_t> bounded_product(const std::vector<uint64_t>& sizes, uint64_t limit);

// An error unless `region` lies inside the image.
Result<void> check_region(const ImageInfo& info, const Region& region);
Result<void> check_region(const std::string& path, const std::vector<Level>& levels,
                          const Region& region);

// The whole volume of one level, time point and channel; an error if there is no such volume.
Result<Box> whole_volume(const ImageInfo& info, uint64_t level = 0, uint64_t t = 0, uint64_t c = 0);

// The chunks of a regular grid.
struct Grid {
  Shape shape;  // of the level
  Shape chunk;
  // How many chunks there are on each axis.
  Shape counts() const;
  // The voxels of the chunk at `at`, cut at the edge of the image.
  Region region_of(uint64_t level, const Shape& at) const;
  uint64_t index_of(const Shape& at) const;
  // Calls `use(coordinates)` for each chunk with voxels of `region`, in t, c, z, y, x order.
  template <class Use>
  Result<void> for_each(const Region& region, Use&& use) const {
    TRY(check_count(region));
    Shape at;
    for (at.t = region.t.begin / chunk.t; at.t * chunk.t < region.t.end; ++at.t)
      for (at.c = region.c.begin / chunk.c; at.c * chunk.c < region.c.end; ++at.c)
        for (at.z = region.z.begin / chunk.z; at.z * chunk.z < region.z.end; ++at.z)
          for (at.y = region.y.begin / chunk.y; at.y * chunk.y < region.y.end; ++at.y)
            for (at.x = region.x.begin / chunk.x; at.x * chunk.x < region.x.end; ++at.x)
              TRY(use(std::as_const(at)));
    return {};
  }

 private:
  Result<void> check_count(const Region& region) const;
};
// Steps between neighbours in an array stored in the order t, c, z, y, x, x fastest.
Shape dense_strides(const Shape& stored);

char to_letter(Axis axis);
// Of the letters t, c, z, y and x.
std::optional<Axis> to_axis(std::string_view name);

}  // namespace tierhub::formats
