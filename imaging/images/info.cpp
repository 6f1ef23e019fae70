#include "imaging/images/info.h"

#include <algorithm>

#include <fmt/format.h>

#include "imaging/images/output.h"

namespace tierhub::imaging {
namespace {

using formats::Axis;
using formats::ImageInfo;
using formats::Json;
using formats::Shape;

Json sizes_json(const ImageInfo& info, const Shape& shape) {
  Json sizes = Json::array();
  for (const Axis axis : info.axes) sizes.push_back(shape.along(axis));
  return sizes;
}

// "3 (0 DNA, 1 ER, 2 RNA)", or "3" without names.
std::string channels_text(const ImageInfo& info) {
  std::string names;
  for (size_t c = 0; c < info.channels.size(); ++c) {
    const std::string& name = info.channels[c].name;
    names +=
        fmt::format("{}{} {}", names.empty() ? "" : ", ", c, name.empty() ? "(no name)" : name);
  }
  const std::string count = fmt::format("{}", info.levels.front().shape.c);
  const bool named = std::any_of(info.channels.begin(), info.channels.end(),
                                 [](const formats::Channel& one) { return !one.name.empty(); });
  return named ? fmt::format("{} ({})", count, names) : count;
}

// "z 2, y 0.5, x 0.5 micrometer"
std::string voxel_size_text(const ImageInfo& info) {
  const formats::VoxelSize& size = info.levels.front().voxel_size;
  const std::string unit = info.voxel_unit.empty() ? "of no unit" : info.voxel_unit;
  if (!info.has_axis(Axis::z)) return fmt::format("y {:.6g}, x {:.6g} {}", size.y, size.x, unit);
  return fmt::format("z {:.6g}, y {:.6g}, x {:.6g} {}", size.z, size.y, size.x, unit);
}

}  // namespace

std::string info_text(const ImageInfo& info) {
  std::string text;
  const auto add = [&text](std::string_view key, std::string_view value) {
    text += fmt::format("{}: {}\n", key, value);
  };
  add("name", base_name(info.path));
  add("format", info.format);
  if (!info.series.empty()) add("files", fmt::format("{} ({})", info.files, info.series));
  add("axes", info.axes_text());
  add("shape", info.sizes_text(info.levels.front().shape));
  add("type", info.type_name);
  add("levels", fmt::format("{}", info.levels.size()));
  for (size_t i = 0; i < info.levels.size(); ++i) {
    const formats::Level& level = info.levels[i];
    add(fmt::format("level {}", i),
        fmt::format("{} in chunks of {}, compressor {}", info.sizes_text(level.shape),
                    info.sizes_text(level.chunk), level.compressor));
  }
  if (info.has_axis(Axis::c)) add("channels", channels_text(info));
  if (info.levels.front().voxel_size_known) add("voxel size", voxel_size_text(info));
  if (info.z_assumed) {
    add("z assumed", fmt::format("the {} what {} {} pages are",
                                 info.files > 1 ? "files do not say" : "file does not say",
                                 info.files > 1 ? "their" : "its", info.planes()));
  }
  if (info.not_decodable) add("pixels", "cannot be decoded: " + *info.not_decodable);
  return text;
}

Json info_json(const ImageInfo& info) {
  Json levels = Json::array();
  for (const formats::Level& level : info.levels) {
    levels.push_back(
        {{"path", level.path},
         {"shape", sizes_json(info, level.shape)},
         {"chunk", sizes_json(info, level.chunk)},
         {"compressor", level.compressor},
         {"voxel_size",
          {{"z", level.voxel_size.z}, {"y", level.voxel_size.y}, {"x", level.voxel_size.x}}},
         {"voxel_size_known", level.voxel_size_known},
         {"type", info.type_name}});
  }
  Json names = Json::array();
  bool named = false;
  for (const formats::Channel& channel : info.channels) {
    names.push_back(channel.name);
    named = named || !channel.name.empty();
  }
  if (!named) names = Json::array();
  Json json = {
      {"name", base_name(info.path)}, {"format", info.format},
      {"axes", info.axes_text()},     {"shape", sizes_json(info, info.levels.front().shape)},
      {"type", info.type_name},       {"levels", levels},
      {"channel_names", names},       {"voxel_unit", info.voxel_unit},
      {"z_assumed", info.z_assumed}};
  if (!info.series.empty()) {
    json["series"] = info.series;
    json["files"] = info.files;
  }
  json["not_decodable"] = info.not_decodable ? Json(*info.not_decodable) : Json(nullptr);
  return json;
}

namespace {

// On one line, whatever is in the names of files.
std::string one_line(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ') c = '?';
  }
  return text + "\n";
}

}  // namespace

std::string datasets_text(const formats::DatasetList& list, const std::string& folder) {
  if (list.datasets.empty() && list.left_out.empty())
    return fmt::format("no datasets in {}\n", folder);
  std::string text;
  for (const formats::Dataset& one : list.datasets) {
    if (one.info) {
      text +=
          fmt::format("{}: {}, {}, {}, {}\n", one.path, one.info->format, one.info->axes_text(),
                      one.info->sizes_text(one.info->levels.front().shape), one.info->type_name);
    } else {
      text += fmt::format("{}: cannot be read: {}\n", one.path, one.error);
    }
  }
  for (const std::string& reason : list.left_out)
    text += one_line(fmt::format("not complete: {}", reason));
  return text;
}

Json datasets_json(const formats::DatasetList& list) {
  Json datasets = Json::array();
  for (const formats::Dataset& one : list.datasets) {
    Json json = {{"path", one.path}};
    if (one.info) {
      json.update({{"format", one.info->format},
                   {"axes", one.info->axes_text()},
                   {"shape", sizes_json(*one.info, one.info->levels.front().shape)},
                   {"type", one.info->type_name}});
    } else {
      json["error"] = one.error;
    }
    datasets.push_back(std::move(json));
  }
  return {{"datasets", std::move(datasets)}, {"left_out", list.left_out}};
}

}  // namespace tierhub::imaging
