#include "imaging/images/writer.h"

#include <algorithm>

#include <fcntl.h>

#include <fmt/format.h>

#include "common/posix.h"
#include "pixels/codecs.h"

namespace tierhub::imaging {
namespace {

using formats::Json;

// `values` has z, y and x; a plane keeps y and x.
template <class Values>
Json per_axis(const ZarrLayout& layout, const Values& values) {
  Json list = Json::array();
  if (layout.dimensions == Dimensions::zyx) list.push_back(values.z);
  list.push_back(values.y);
  list.push_back(values.x);
  return list;
}

Json array_metadata(const ZarrLayout& layout, size_t item_bytes) {
  return {{"zarr_format", 2},
          {"shape", per_axis(layout, layout.shape)},
          {"chunks", per_axis(layout, layout.chunk)},
          {"dtype", fmt::format("<u{}", item_bytes)},
          {"compressor",
           {{"id", "blosc"}, {"cname", "zstd"}, {"clevel", 5}, {"shuffle", 1}, {"blocksize", 0}}},
          {"fill_value", 0},
          {"order", "C"},
          {"filters", nullptr},
          {"dimension_separator", "/"}};
}

Json multiscales(const ZarrLayout& layout) {
  Json axes = Json::array();
  for (const char* name : {"z", "y", "x"}) {
    if (layout.dimensions == Dimensions::yx && *name == 'z') continue;
    axes.push_back({{"name", name}, {"type", "space"}});
  }
  const formats::VoxelSize& size = layout.voxel_size;
  Json transformations = Json::array({{{"type", "scale"}, {"scale", per_axis(layout, size)}}});
  if (layout.origin != Extent{0, 0, 0}) {
    const formats::VoxelSize origin{static_cast<double>(layout.origin.z) * size.z,
                                    static_cast<double>(layout.origin.y) * size.y,
                                    static_cast<double>(layout.origin.x) * size.x};
    transformations.push_back({{"type", "translation"}, {"translation", per_axis(layout, origin)}});
  }
  const Json dataset = {{"path", "0"}, {"coordinateTransformations", transformations}};
  return Json::array({{{"version", "0.4"}, {"axes", axes}, {"datasets", Json::array({dataset})}}});
}

}  // namespace

template <class T>
Result<ZarrWriter<T>> ZarrWriter<T>::create(const std::string& path, const ZarrLayout& layout,
                                            const Json& attributes) {
  TRY_ASSIGN(OutputFolder folder, OutputFolder::create(path));
  ZarrWriter writer(std::move(folder), layout);
  Extent& chunk = writer.layout_.chunk;
  chunk = {std::min(chunk.z, layout.shape.z), std::min(chunk.y, layout.shape.y),
           std::min(chunk.x, layout.shape.x)};
  Json all = attributes;
  all["multiscales"] = multiscales(writer.layout_);
  TRY(posix::make_directory_at(AT_FDCWD, writer.folder_.path() + "/0", 0777));
  TRY(writer.write_file(".zgroup", Json{{"zarr_format", 2}}.dump(2) + "\n"));
  TRY(writer.write_file(".zattrs", all.dump(2) + "\n"));
  TRY(writer.write_file("0/.zarray", array_metadata(writer.layout_, sizeof(T)).dump(2) + "\n"));
  return writer;
}

template <class T>
Result<std::vector<Box>> ZarrWriter<T>::chunks() const {
  const Extent& shape = layout_.shape;
  return formats::tile(Box{0, 0, 0, {0, shape.z}, {0, shape.y}, {0, shape.x}}, layout_.chunk);
}

template <class T>
std::string ZarrWriter<T>::chunk_path(const Box& box) const {
  const uint64_t z = box.z.begin / layout_.chunk.z;
  const uint64_t y = box.y.begin / layout_.chunk.y;
  const uint64_t x = box.x.begin / layout_.chunk.x;
  if (layout_.dimensions == Dimensions::yx) return fmt::format("{}/0/{}/{}", folder_.path(), y, x);
  return fmt::format("{}/0/{}/{}/{}", folder_.path(), z, y, x);
}

template <class T>
Result<void> ZarrWriter<T>::write_chunk(const Box& box, const Volume<T>& volume) {
  if (std::all_of(volume.voxels.begin(), volume.voxels.end(), [](T voxel) { return voxel == 0; }))
    return {};
  // Chunks at the end of an axis are stored at full size.
  padded_.assign(layout_.chunk.voxels(), 0);
  for (uint64_t z = 0; z < volume.extent.z; ++z) {
    for (uint64_t y = 0; y < volume.extent.y; ++y) {
      std::copy_n(&volume.at(z, y, 0), volume.extent.x,
                  &padded_[(z * layout_.chunk.y + y) * layout_.chunk.x]);
    }
  }
  TRY_ASSIGN(const std::string packed,
             pixels::compress_blosc(std::as_bytes(std::span(padded_)), sizeof(T)));
  const std::string path = chunk_path(box);
  TRY(make_parent_folder(path));
  return write_new_file(path, packed);
}

template <class T>
Result<void> ZarrWriter<T>::write_all(const Volume<T>& volume) {
  const Extent& shape = layout_.shape;
  const Box whole{0, 0, 0, {0, shape.z}, {0, shape.y}, {0, shape.x}};
  TRY_ASSIGN(const std::vector<Box> boxes, chunks());
  for (const Box& box : boxes) TRY(write_chunk(box, crop(volume, whole, box)));
  return {};
}

template <class T>
Result<void> ZarrWriter<T>::write_file(const std::string& name, std::string_view bytes) {
  return write_new_file(folder_.path() + "/" + name, bytes);
}

template class ZarrWriter<uint16_t>;
template class ZarrWriter<uint32_t>;

}  // namespace tierhub::imaging
