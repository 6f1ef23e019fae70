#include "formats/hdf5_content.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "formats/bdv_xml.h"
#include "formats/json.h"

namespace tierhub::formats {
namespace {

constexpr uint64_t kMaxLevels = 64;
constexpr uint64_t kMaxChannels = 1000;

Error damaged(const Hdf5File& file, std::string_view why) {
  return Error(std::errc::invalid_argument,
               fmt::format("{} is truncated or damaged: {}", file.tree().path(), why));
}

Error unsupported(const Hdf5File& file, std::string_view why) {
  return Error(std::errc::not_supported, fmt::format("{}: {}", file.tree().path(), why));
}

std::string imaris_channel(uint64_t level, uint64_t t, uint64_t c) {
  return fmt::format("/DataSet/ResolutionLevel {}/TimePoint {}/Channel {}", level, t, c);
}

std::string imaris_data(uint64_t level, uint64_t t, uint64_t c) {
  return imaris_channel(level, t, c) + "/Data";
}

// How many names of a group begin with `prefix`.
Result<uint64_t> count_names(const Hdf5File& file, const std::string& group,
                             std::string_view prefix) {
  TRY_ASSIGN(const auto names, file.names_in(group));
  return static_cast<uint64_t>(std::count_if(
      names.begin(), names.end(), [&](const auto& name) { return name.starts_with(prefix); }));
}

std::optional<double> number_of(const Hdf5File& file, const std::string& path,
                                const std::string& attribute) {
  const auto text = file.text(path, attribute);
  if (!text) return std::nullopt;
  char* end = nullptr;
  const double number = std::strtod(text->c_str(), &end);
  if (end == text->c_str() || !std::isfinite(number)) return std::nullopt;
  return number;
}

// The attributes ImageSizeX, Y and Z; the whole array where they are missing.
Result<Shape> imaris_shape(const Hdf5File& file, uint64_t level) {
  TRY_ASSIGN(const auto dataset, file.dataset(imaris_data(level, 0, 0)));
  const std::vector<uint64_t>& sizes = dataset->layout().sizes;
  if (sizes.size() != 3) return damaged(file, dataset->path() + " has no three axes");
  Shape shape{1, 1, sizes[0], sizes[1], sizes[2]};
  for (const auto& [axis, name] :
       {std::pair(Axis::z, "ImageSizeZ"), std::pair(Axis::y, "ImageSizeY"),
        std::pair(Axis::x, "ImageSizeX")}) {
    const auto size = number_of(file, imaris_channel(level, 0, 0), name);
    if (!size) continue;
    if (!(*size >= 1 && *size <= static_cast<double>(shape.along(axis))))
      return damaged(file, fmt::format("{} of level {} is impossible", name, level));
    shape.along(axis) = static_cast<uint64_t>(*size);
  }
  return shape;
}

// "1.000 0.500 0.000"
std::optional<uint32_t> imaris_colour(const std::string& text) {
  const char* at = text.c_str();
  uint32_t colour = 0;
  for (int i = 0; i < 3; ++i) {
    char* end = nullptr;
    const double part = std::strtod(at, &end);
    if (end == at || !(part >= 0 && part <= 1)) return std::nullopt;
    colour = colour << 8 | static_cast<uint32_t>(std::lround(part * 255));
    at = end;
  }
  return colour;
}

std::string unit_name(const std::string& unit) {
  if (unit == "nm") return "nanometer";
  if (unit == "mm") return "millimeter";
  return unit == "m" ? "meter" : "micrometer";
}

// The extent of the image is in /DataSetInfo/Image: all levels cover it.
void set_imaris_voxel_sizes(const Hdf5File& file, Hdf5Content& content) {
  const std::string info = "/DataSetInfo/Image";
  std::array<double, 3> extents{};  // x, y, z
  for (size_t i = 0; i < 3; ++i) {
    const auto begin = number_of(file, info, fmt::format("ExtMin{}", i));
    const auto end = number_of(file, info, fmt::format("ExtMax{}", i));
    if (!begin || !end || !(*end > *begin)) return;
    extents[i] = *end - *begin;
  }
  content.voxel_unit = unit_name(file.text(info, "Unit").value_or("um"));
  for (Level& level : content.levels) {
    level.voxel_size = {extents[2] / static_cast<double>(level.shape.z),
                        extents[1] / static_cast<double>(level.shape.y),
                        extents[0] / static_cast<double>(level.shape.x)};
    level.voxel_size_known = true;
  }
}

// The numbers behind `prefix` in the names that have `digits` digits or more.
std::vector<uint64_t> numbered(const std::vector<std::string>& names, char prefix, size_t digits) {
  std::vector<uint64_t> numbers;
  for (const std::string& name : names) {
    uint64_t number = 0;
    const char* end = name.data() + name.size();
    if (name.size() < digits + 1 || name[0] != prefix) continue;
    const auto [stop, failure] = std::from_chars(name.data() + 1, end, number);
    if (failure == std::errc() && stop == end) numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

// Levels are smaller by whole factors, and their sizes are rounded.
double factor(uint64_t finest, uint64_t size) {
  return std::round(static_cast<double>(finest) / static_cast<double>(size));
}

// Names of channels, and the size of voxels if all setups have the same.
Result<void> describe_setups(const Hdf5File& file, const std::vector<uint64_t>& setups,
                             Hdf5Content& content) {
  constexpr uint64_t kMaxXmlBytes = 64u << 20;
  std::string name = file.tree().file();
  name = name.substr(0, name.rfind('.')) + ".xml";
  TRY_ASSIGN(const auto xml, file.tree().read_small(name, kMaxXmlBytes));
  if (!xml) return {};
  std::map<uint64_t, BdvSetup> known;
  for (BdvSetup& setup : parse_bdv_xml(*xml)) known.emplace(setup.id, std::move(setup));
  std::optional<VoxelSize> voxel_size;
  bool different = false;
  for (size_t c = 0; c < setups.size(); ++c) {
    const BdvSetup& setup = known[setups[c]];
    if (!setup.name.empty()) content.channels[c].name = setup.name;
    if (c == 0) {
      voxel_size = setup.voxel_size;
      content.voxel_unit = setup.unit;
    }
    different = different || setup.voxel_size != voxel_size || setup.unit != content.voxel_unit;
  }
  if (!voxel_size || different) {
    content.voxel_unit.clear();
    return {};
  }
  const Shape finest = content.levels.front().shape;
  for (Level& level : content.levels) {
    level.voxel_size = {voxel_size->z * factor(finest.z, level.shape.z),
                        voxel_size->y * factor(finest.y, level.shape.y),
                        voxel_size->x * factor(finest.x, level.shape.x)};
    level.voxel_size_known = true;
  }
  return {};
}

// Of the letters t, c, z, y and x, each once, with y and x; else nothing.
std::optional<std::vector<Axis>> axes_from(std::string_view letters, size_t count) {
  std::vector<Axis> axes;
  for (const char letter : letters) {
    const char lower = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
    if (const auto axis = to_axis(std::string_view(&lower, 1))) axes.push_back(*axis);
  }
  const std::set<Axis> different(axes.begin(), axes.end());
  if (axes.size() != count || letters.size() != count || different.size() != count ||
      !different.contains(Axis::y) || !different.contains(Axis::x))
    return std::nullopt;
  return axes;
}

std::optional<std::vector<Axis>> named_axes(const Hdf5File& file, const std::string& path,
                                            size_t count) {
  if (const auto axes = axes_from(file.text(path, "axes").value_or(""), count)) return axes;
  const auto json = parse_json(file.text(path, "axistags").value_or("{}"), "axistags");
  const Json* list = json ? find_member(*json, "axes") : nullptr;
  if (list == nullptr || !list->is_array()) return std::nullopt;
  std::string letters;
  for (const Json& axis : *list) letters += get_text(axis, "key").value_or("?");
  return axes_from(letters, count);
}

void set_element_size(const std::vector<double>& sizes, Hdf5Content& content) {
  const bool usable = (sizes.size() == 2 || sizes.size() == 3) &&
                      std::all_of(sizes.begin(), sizes.end(),
                                  [](double size) { return size > 0 && std::isfinite(size); });
  if (!usable) return;
  const size_t last = sizes.size() - 1;
  Level& level = content.levels.front();
  level.voxel_size = {sizes.size() == 3 ? sizes[0] : 1, sizes[last - 1], sizes[last]};
  level.voxel_size_known = true;
  content.voxel_unit = "micrometer";
}

}  // namespace

Result<std::optional<Hdf5Content>> find_imaris(const Hdf5File& file) {
  if (!file.exists(imaris_data(0, 0, 0))) return std::nullopt;
  Hdf5Content content;
  content.format = "Imaris";
  content.path_of = imaris_data;
  content.axes = {Axis::z, Axis::y, Axis::x};
  TRY_ASSIGN(const uint64_t times, count_names(file, "/DataSet/ResolutionLevel 0", "TimePoint "));
  TRY_ASSIGN(const uint64_t channels,
             count_names(file, "/DataSet/ResolutionLevel 0/TimePoint 0", "Channel "));
  if (channels > kMaxChannels)
    return unsupported(file, fmt::format("more than {} channels are not supported", kMaxChannels));
  for (uint64_t l = 0; l < kMaxLevels && file.exists(imaris_data(l, 0, 0)); ++l) {
    Level level;
    TRY_ASSIGN(level.shape, imaris_shape(file, l));
    level.shape.t = times;
    level.shape.c = channels;
    content.levels.push_back(level);
  }
  for (uint64_t c = 0; c < channels; ++c) {
    const std::string path = fmt::format("/DataSetInfo/Channel {}", c);
    content.channels.push_back({file.text(path, "Name").value_or(""),
                                imaris_colour(file.text(path, "Color").value_or(""))});
  }
  set_imaris_voxel_sizes(file, content);
  return content;
}

Result<std::optional<Hdf5Content>> find_big_data_viewer(const Hdf5File& file) {
  TRY_ASSIGN(const auto names, file.names_in("/"));
  const std::vector<uint64_t> times = numbered(names, 't', 5);
  const std::vector<uint64_t> setups = numbered(names, 's', 2);
  if (times.empty() || setups.empty()) return std::nullopt;
  Hdf5Content content;
  content.path_of = [times, setups](uint64_t level, uint64_t t, uint64_t c) {
    return fmt::format("/t{:05}/s{:02}/{}/cells", times[t], setups[c], level);
  };
  if (!file.exists(content.path_of(0, 0, 0))) return std::nullopt;
  content.format = "BigDataViewer";
  content.axes = {Axis::z, Axis::y, Axis::x};
  content.int16_is_unsigned = true;
  if (setups.size() > kMaxChannels)
    return unsupported(file, fmt::format("more than {} setups are not supported", kMaxChannels));
  for (uint64_t l = 0; l < kMaxLevels && file.exists(content.path_of(l, 0, 0)); ++l) {
    Level level;
    for (uint64_t c = 0; c < setups.size(); ++c) {
      TRY_ASSIGN(const auto dataset, file.dataset(content.path_of(l, 0, c)));
      const std::vector<uint64_t>& sizes = dataset->layout().sizes;
      if (sizes.size() != 3) return damaged(file, dataset->path() + " has no three axes");
      const Shape shape{times.size(), setups.size(), sizes[0], sizes[1], sizes[2]};
      if (c > 0 && shape != level.shape) {
        return unsupported(
            file,
            fmt::format("setup s{:02} has another shape than s{:02}: only setups of one shape "
                        "are channels of an image. Convert each setup to OME-Zarr",
                        setups[c], setups[0]));
      }
      level.shape = shape;
    }
    content.levels.push_back(level);
  }
  for (const uint64_t setup : setups)
    content.channels.push_back({fmt::format("s{:02}", setup), {}});
  TRY(describe_setups(file, setups, content));
  return content;
}

Result<Hdf5Content> find_only_array(const Hdf5File& file) {
  TRY_ASSIGN(std::vector<std::string> paths, file.arrays());
  if (paths.empty())
    return unsupported(file, "this HDF5 file has no array of numbers with two axes or more");
  if (paths.size() > 1) {
    constexpr size_t kNamed = 10;
    const size_t count = paths.size();
    std::sort(paths.begin(), paths.end());
    paths.resize(std::min(count, kNamed));
    return unsupported(
        file,
        fmt::format("this HDF5 file has {} arrays, and only files with one are supported: {}{}. "
                    "Convert one of them to OME-Zarr, or to a file of its own",
                    count, fmt::join(paths, ", "), count > kNamed ? ", ..." : ""));
  }
  const std::string& path = paths.front();
  TRY_ASSIGN(const auto dataset, file.dataset(path));
  const std::vector<uint64_t>& sizes = dataset->layout().sizes;
  constexpr std::array kAll = {Axis::t, Axis::c, Axis::z, Axis::y, Axis::x};
  const size_t count = sizes.size();
  if (count > kAll.size())
    return unsupported(file, fmt::format("{} has {} axes: at most 5 are supported", path, count));
  Hdf5Content content;
  content.format = "HDF5";
  content.path_of = [path](uint64_t, uint64_t, uint64_t) { return path; };
  const auto named = named_axes(file, path, count);
  content.axes =
      named.value_or(std::vector<Axis>(kAll.end() - static_cast<ptrdiff_t>(count), kAll.end()));
  Level level;
  for (size_t i = 0; i < count; ++i) level.shape.along(content.axes[i]) = sizes[i];
  content.levels.push_back(level);
  const std::vector<double> element_size = file.numbers(path, "element_size_um");
  set_element_size(element_size, content);
  content.z_assumed = !named && count > 2 && !(count == 3 && element_size.size() == 3);
  return content;
}

}  // namespace tierhub::formats
