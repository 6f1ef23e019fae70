#include "imaging/info.h"

#include <fmt/format.h>

#include "imaging/output.h"

namespace tierhub::imaging {
namespace {

using formats::Axis;
using formats::Dataset;
using formats::Json;
using formats::Shape;

std::string sizes_text(const Dataset& dataset, const Shape& shape) {
  std::string text;
  for (const Axis axis : dataset.sorted_axes())
    text += fmt::format("{}{}", text.empty() ? "" : " x ", shape.along(axis));
  return text;
}

Json sizes_json(const Dataset& dataset, const Shape& shape) {
  Json sizes = Json::array();
  for (const Axis axis : dataset.sorted_axes()) sizes.push_back(shape.along(axis));
  return sizes;
}

// "3 (0 DNA, 1 ER, 2 RNA)", or "3" without names.
std::string channels_text(const Dataset& dataset) {
  std::string names;
  for (size_t c = 0; c < dataset.channel_names.size(); ++c) {
    names += fmt::format("{}{} {}", names.empty() ? "" : ", ", c,
                         dataset.channel_names[c].empty() ? "(no name)" : dataset.channel_names[c]);
  }
  const std::string count = fmt::format("{}", dataset.levels.front().shape.c);
  return names.empty() ? count : fmt::format("{} ({})", count, names);
}

// "z 2, y 0.5, x 0.5 micrometer"
std::string voxel_size_text(const Dataset& dataset) {
  const formats::VoxelSize& size = dataset.levels.front().voxel_size;
  const std::string unit = dataset.voxel_unit.empty() ? "of no unit" : dataset.voxel_unit;
  if (!dataset.has_axis(Axis::z)) return fmt::format("y {}, x {} {}", size.y, size.x, unit);
  return fmt::format("z {}, y {}, x {} {}", size.z, size.y, size.x, unit);
}

}  // namespace

std::string info_text(const Dataset& dataset) {
  std::string text;
  const auto add = [&text](std::string_view key, std::string_view value) {
    text += fmt::format("{}: {}\n", key, value);
  };
  add("name", base_name(dataset.path));
  add("format", formats::to_text(dataset.kind));
  add("axes", dataset.axes_text());
  add("shape", sizes_text(dataset, dataset.levels.front().shape));
  add("type", dataset.pixels().type_name);
  add("levels", fmt::format("{}", dataset.levels.size()));
  for (size_t i = 0; i < dataset.levels.size(); ++i) {
    const formats::Level& level = dataset.levels[i];
    add(fmt::format("level {}", i),
        fmt::format("{} in {} of {}, compressor {}", sizes_text(dataset, level.shape),
                    dataset.kind == formats::Kind::tiff ? "pieces" : "chunks",
                    sizes_text(dataset, level.chunk), level.compressor));
  }
  if (dataset.has_axis(Axis::c)) add("channels", channels_text(dataset));
  if (dataset.levels.front().voxel_size_known) add("voxel size", voxel_size_text(dataset));
  if (dataset.z_assumed) {
    add("z assumed",
        fmt::format("the file does not say what its {} pages are", dataset.pages.size()));
  }
  if (dataset.not_decodable) add("pixels", "cannot be decoded: " + *dataset.not_decodable);
  return text;
}

Json info_json(const Dataset& dataset) {
  Json levels = Json::array();
  for (const formats::Level& level : dataset.levels) {
    levels.push_back(
        {{"path", level.path},
         {"shape", sizes_json(dataset, level.shape)},
         {"chunk", sizes_json(dataset, level.chunk)},
         {"compressor", level.compressor},
         {"voxel_size",
          {{"z", level.voxel_size.z}, {"y", level.voxel_size.y}, {"x", level.voxel_size.x}}},
         {"voxel_size_known", level.voxel_size_known},
         {"type", level.pixels.type_name}});
  }
  Json json = {{"name", base_name(dataset.path)},
               {"format", formats::to_text(dataset.kind)},
               {"axes", dataset.axes_text()},
               {"shape", sizes_json(dataset, dataset.levels.front().shape)},
               {"type", dataset.pixels().type_name},
               {"levels", levels},
               {"channel_names", dataset.channel_names},
               {"voxel_unit", dataset.voxel_unit},
               {"z_assumed", dataset.z_assumed}};
  json["not_decodable"] = dataset.not_decodable ? Json(*dataset.not_decodable) : Json(nullptr);
  return json;
}

}  // namespace tierhub::imaging
