#include "hub/images/zarr_metadata.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "hub/images/planes.h"
#include "hub/images/thumbnail.h"

namespace tierhub::hub {
namespace {

using formats::Json;
using formats::Level;
using formats::PixelType;
using formats::Shape;

Json names_of_axes() { return Json::array({"t", "c", "z", "y", "x"}); }
Json in_order(const Shape& shape) {
  return Json::array({shape.t, shape.c, shape.z, shape.y, shape.x});
}

Json axes_of(const OpenImage& image) {
  Json axes =
      Json::array({{{"name", "t"}, {"type", "time"}}, {{"name", "c"}, {"type", "channel"}}});
  for (const char* name : {"z", "y", "x"}) {
    Json axis = {{"name", name}, {"type", "space"}};
    if (!image.info.voxel_unit.empty()) axis["unit"] = image.info.voxel_unit;
    axes.push_back(std::move(axis));
  }
  return axes;
}

// How many voxels of level 0 make one of the level.
double factor_of(uint64_t first, uint64_t size) {
  return std::round(static_cast<double>(first) / static_cast<double>(size));
}

// The size of a voxel of a level: where nothing is known, in voxels of level 0.
formats::VoxelSize voxel_size_of(const OpenImage& image, uint64_t level) {
  const Level& one = image.levels()[level];
  const Level& first = image.levels().front();
  if (level == 0 || one.voxel_size_known) return one.voxel_size;
  formats::VoxelSize size = first.voxel_size;
  size.z *= factor_of(first.shape.z, one.shape.z);
  size.y *= factor_of(first.shape.y, one.shape.y);
  size.x *= factor_of(first.shape.x, one.shape.x);
  return size;
}

Json transformations_of(const OpenImage& image, uint64_t level) {
  const formats::VoxelSize size = voxel_size_of(image, level);
  Json list = Json::array(
      {{{"type", "scale"}, {"scale", Json::array({1.0, 1.0, size.z, size.y, size.x})}}});
  const LevelSource source = source_of(image, level);
  const bool is_mean = source == LevelSource::computed || source == LevelSource::built;
  if (!is_mean || image.is_labels) return list;
  const formats::VoxelSize behind = voxel_size_of(image, image.info.levels.size() - 1);
  list.push_back({{"type", "translation"},
                  {"translation", Json::array({0.0, 0.0, 0.0, (size.y - behind.y) / 2,
                                               (size.x - behind.x) / 2})}});
  return list;
}

Json multiscale_of(const OpenImage& image, ZarrVersion version) {
  Json datasets = Json::array();
  for (uint64_t level = 0; level < zarr_levels(image); ++level) {
    datasets.push_back({{"path", std::to_string(level)},
                        {"coordinateTransformations", transformations_of(image, level)}});
  }
  Json multiscale = {{"name", image.name()}, {"axes", axes_of(image)}, {"datasets", datasets}};
  if (version == ZarrVersion::v2) multiscale["version"] = "0.4";
  return multiscale;
}

Json omero_of(const OpenImage& image, const std::vector<Window>& windows) {
  // As many as viewers show at once.
  constexpr size_t kActive = 4;
  Json channels = Json::array();
  for (size_t c = 0; c < windows.size(); ++c) {
    const bool named = c < image.info.channels.size() && !image.info.channels[c].name.empty();
    channels.push_back(
        {{"label", named ? image.info.channels[c].name : fmt::format("channel {}", c)},
         {"color", fmt::format("{:06X}", colour_of(image.info, c))},
         {"active", c < kActive},
         {"coefficient", 1},
         {"family", "linear"},
         {"inverted", false},
         {"window",
          {{"min", windows[c].low},
           {"max", windows[c].high},
           {"start", windows[c].start},
           {"end", windows[c].end}}}});
  }
  return {{"name", image.name()},
          {"channels", std::move(channels)},
          {"rdefs",
           {{"defaultT", 0},
            {"defaultZ", image.levels().front().shape.z / 2},
            {"model", windows.size() == 1 ? "greyscale" : "color"}}}};
}

// In 0.5 they are in a member of their own, with the version.
Json attributes_of(Json ome, ZarrVersion version) {
  if (version == ZarrVersion::v2) return ome;
  ome["version"] = "0.5";
  return {{"ome", std::move(ome)}};
}

// "<u2"
std::string dtype_of(PixelType type) {
  const uint64_t bytes = formats::bytes_of(type);
  const char kind = formats::is_float(type) ? 'f' : formats::is_signed(type) ? 'i' : 'u';
  return fmt::format("{}{}{}", bytes == 1 ? '|' : '<', kind, bytes);
}

}  // namespace

Window window_of(PixelType type) {
  Window window{0, 1, 0, 1};
  formats::with_type(type, [&](auto sample) {
    using T = decltype(sample);
    if constexpr (std::is_integral_v<T>) {
      window.low = window.start = static_cast<double>(std::numeric_limits<T>::min());
      window.high = window.end = static_cast<double>(std::numeric_limits<T>::max());
    }
  });
  return window;
}

uint64_t zarr_levels(const OpenImage& image) {
  uint64_t levels = 0;
  while (levels < image.levels().size() && source_of(image, levels) != LevelSource::too_large)
    ++levels;
  return levels;
}

Json image_attributes(const OpenImage& image, const std::vector<Window>& windows,
                      ZarrVersion version) {
  Json ome = {{"multiscales", Json::array({multiscale_of(image, version)})}};
  if (image.is_labels) {
    ome["image-label"] = image.image_label.is_object() ? image.image_label : Json::object();
    if (version == ZarrVersion::v2) {
      ome["image-label"]["version"] = "0.4";
    } else {
      ome["image-label"].erase("version");
    }
  } else {
    ome["omero"] = omero_of(image, windows);
    if (version == ZarrVersion::v2) ome["omero"]["version"] = "0.4";
  }
  return attributes_of(std::move(ome), version);
}

Json labels_attributes(const OpenImage& image, ZarrVersion version) {
  return attributes_of({{"labels", image.labels}}, version);
}

Json plate_attributes(const Json& ome, ZarrVersion version) {
  Json kept = Json::object();
  for (const char* name : {"plate", "well"}) {
    const Json* found = formats::find_member(ome, name);
    if (found == nullptr || !found->is_object()) continue;
    kept[name] = *found;
    if (version == ZarrVersion::v2) {
      kept[name]["version"] = "0.4";
    } else {
      kept[name].erase("version");
    }
  }
  return attributes_of(std::move(kept), version);
}

Json group_v2() { return {{"zarr_format", 2}}; }

Json group_v3(Json attributes) {
  return {{"zarr_format", 3}, {"node_type", "group"}, {"attributes", std::move(attributes)}};
}

Json array_of(const OpenImage& image, uint64_t level, ZarrVersion version) {
  const Shape chunk{1, 1, 1, kTile, kTile};
  const Shape& shape = image.levels()[level].shape;
  if (version == ZarrVersion::v2) {
    return {{"zarr_format", 2},
            {"shape", in_order(shape)},
            {"chunks", in_order(chunk)},
            {"dtype", dtype_of(image.info.type)},
            {"compressor", nullptr},
            {"fill_value", 0},
            {"order", "C"},
            {"filters", nullptr},
            {"dimension_separator", "/"}};
  }
  return {
      {"zarr_format", 3},
      {"node_type", "array"},
      {"shape", in_order(shape)},
      {"data_type", formats::to_text(image.info.type)},
      {"chunk_grid", {{"name", "regular"}, {"configuration", {{"chunk_shape", in_order(chunk)}}}}},
      {"chunk_key_encoding", {{"name", "default"}, {"configuration", {{"separator", "/"}}}}},
      {"fill_value", 0},
      {"codecs", Json::array({{{"name", "bytes"}, {"configuration", {{"endian", "little"}}}}})},
      {"attributes", Json::object()},
      {"dimension_names", names_of_axes()}};
}

Json array_attributes() { return {{"_ARRAY_DIMENSIONS", names_of_axes()}}; }

}  // namespace tierhub::hub
