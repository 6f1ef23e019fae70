// Writes OME-Zarr images of any type, axes and number of levels, chunk by chunk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/result.h"
#include "formats/image.h"
#include "formats/json.h"
#include "imaging/images/memory.h"
#include "imaging/images/output.h"
#include "imaging/voxels/grey_scale.h"
#include "imaging/voxels/parallel.h"
#include "imaging/voxels/volume.h"
#include "pixels/codecs.h"

namespace tierhub::imaging {

enum class ZarrVersion { ome_0_4, ome_0_5 };

// What an image is, but for its smaller levels.
struct ImageLayout {
  std::vector<formats::Axis> axes;  // in the order t, c, z, y, x
  formats::PixelType type = formats::PixelType::uint16;
  GreyScale scale;  // of volumes that are written
  formats::Shape shape;
  formats::Shape chunk;
  formats::VoxelSize voxel_size;
  std::string voxel_unit;  // empty: not known
  std::vector<formats::Channel> channels;
  ZarrVersion version = ZarrVersion::ome_0_4;
  pixels::BloscCodec codec = pixels::BloscCodec::zstd;
  // Where voxel 0 lies, in voxels of the image that this is a part of.
  Extent origin{0, 0, 0};
  formats::Json attributes = formats::Json::object();  // besides those of OME-Zarr
};

// Equal voxels give equal files. Chunks may be written by several threads.
class ImageWriter {
 public:
  // The image appears under its name with commit().
  static Result<ImageWriter> create(const std::string& path, const ImageLayout& layout);
  // An image that several processes write with write_box(), each its own chunks, under its final
  // name from the start; whichever writes first makes it. Each file appears when it is complete. An
  // error if there is an image of another layout; commit() does nothing.
  static Result<ImageWriter> share(const std::string& path, const ImageLayout& layout);

  // Adds the next level; its chunks have the layout's size. Level 0 is added by create().
  Result<void> add_level(const formats::Shape& shape);
  formats::Grid grid(size_t level) const;
  // `voxels` are those of grid(level).region_of(level, at), in the order t, c, z, y, x. A chunk of
  // zeros gets no file.
  Result<void> write_chunk(size_t level, const formats::Shape& at,
                           std::span<const std::byte> voxels) const;
  // Writes all chunks of a level: `fill` gets a region of it and its voxels, all 0 yet, in the
  // order t, c, z, y, x. It is called by several threads.
  using Fill = std::function<Result<void>(const formats::Region&, std::span<std::byte>)>;
  Result<void> fill_level(size_t level, Parallel parallel, const Fill& fill) const;
  // The same for a level of one time point and channel in memory; T is the layout's type.
  template <class T>
  Result<void> write_volume(size_t level, const Volume<T>& volume, Parallel parallel) const;
  // Writes the voxels of `box`, which must consist of whole chunks of level 0: only the image's own
  // border may cut them. The layout's type can hold the numbers that all voxels stand for.
  template <class T>
  Result<void> write_box(const Box& box, const Volume<T>& volume, Parallel parallel) const;
  // The same with numbers of the layout's type.
  Result<void> write_numbers(const Box& box, std::span<const std::byte> numbers,
                             Parallel parallel) const;
  // An error unless `box` consists of whole chunks of level 0.
  Result<void> check_whole_chunks(const Box& box) const;
  // A file beside the metadata of the image.
  Result<void> write_file(const std::string& name, std::string_view bytes) const;
  // Where the image is until commit(): its levels so far can be read there.
  const std::string& path() const { return path_; }
  Result<void> commit() { return folder_ ? folder_->commit() : Result<void>(); }

 private:
  ImageWriter(std::string path, const ImageLayout& layout);
  // Of an image that is shared: true if it exists, an error if it has another layout.
  Result<bool> is_made() const;
  Result<void> make_if_shared() const;
  // Of a metadata file or a chunk.
  Result<void> write(const std::string& file, std::string_view bytes) const;
  formats::Json per_axis(const formats::Shape& sizes) const;
  formats::Json per_axis(const formats::VoxelSize& sizes, double others) const;
  formats::Json array_metadata(const formats::Shape& shape) const;
  formats::Json attributes() const;
  formats::Json channel_attributes() const;
  Result<void> write_group() const;
  // With the chunks that `region` has voxels of.
  Result<void> for_each_chunk(const formats::Region& region, Parallel parallel,
                              const std::function<Result<void>(const formats::Shape& at,
                                                               const formats::Region&)>& use) const;
  // `voxels`: the first of the chunk at `at`; `from`: the steps between neighbours there.
  Result<void> pack_chunk(size_t level, const formats::Shape& at, const std::byte* voxels,
                          const formats::Shape& from) const;

  std::string path_;
  std::optional<OutputFolder> folder_;  // nothing if it is shared
  ImageLayout layout_;
  std::vector<formats::Shape> levels_;
};

// The memory of ImageWriter::write_box() with a volume of numbers of `type`.
void write_box(MemoryUse& memory, const ImageLayout& layout, const Box& box,
               formats::PixelType type);

}  // namespace tierhub::imaging
