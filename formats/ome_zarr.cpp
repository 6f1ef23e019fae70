#include "formats/ome_zarr.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "formats/zarr_array.h"

namespace tierhub::formats {
namespace {

constexpr uint64_t kMaxMetadataBytes = 16u << 20;
constexpr size_t kMaxLevels = 64;
constexpr size_t kMaxWells = 100'000;

Error damaged(const std::string& file, std::string_view why) {
  return Error(std::errc::invalid_argument, fmt::format("{}: {}", file, why));
}

Error unsupported(std::string text) { return Error(std::errc::not_supported, std::move(text)); }

std::string join(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : folder + "/" + name;
}

// A path that stays inside the dataset: no "..", no empty part, not absolute.
bool is_safe_path(std::string_view path) {
  while (true) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == ".." || part.find('\0') != std::string_view::npos)
      return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

Result<std::vector<Axis>> read_axes(const Json& multiscale, const std::string& file) {
  const std::string version = get_text(multiscale, "version").value_or("0.4");
  const Json* list = find_member(multiscale, "axes");
  if (list == nullptr && (version == "0.1" || version == "0.2")) {
    return std::vector{Axis::t, Axis::c, Axis::z, Axis::y, Axis::x};
  }
  if (list == nullptr || !list->is_array())
    return damaged(file, "the multiscales have no list of axes");
  std::vector<Axis> axes;
  for (const Json& item : *list) {
    const auto name =
        item.is_string() ? std::optional(item.get<std::string>()) : get_text(item, "name");
    if (!name) return damaged(file, "an axis has no name");
    const auto axis = to_axis(*name);
    if (!axis)
      return unsupported(
          fmt::format("{}: the axis \"{}\" is not one of t, c, z, y, x", file, *name));
    if (std::find(axes.begin(), axes.end(), *axis) != axes.end()) {
      return damaged(file, fmt::format("the axis {} appears twice", *name));
    }
    axes.push_back(*axis);
  }
  for (const Axis axis : {Axis::y, Axis::x}) {
    if (std::find(axes.begin(), axes.end(), axis) == axes.end()) {
      return damaged(file, fmt::format("there is no axis {}", to_letter(axis)));
    }
  }
  return axes;
}

// Multiplies the level's voxel size by the scales among an item's coordinateTransformations; other
// kinds, and scales that make no sense, are left out.
void apply_scale(const Json& item, const std::vector<Axis>& axes, Level& level) {
  VoxelSize& size = level.voxel_size;
  const Json* list = find_member(item, "coordinateTransformations");
  if (list == nullptr || !list->is_array()) return;
  for (const Json& transformation : *list) {
    const Json* scale = find_member(transformation, "scale");
    if (scale == nullptr || !scale->is_array() || scale->size() != axes.size()) continue;
    for (size_t i = 0; i < axes.size(); ++i) {
      const Json& value = (*scale)[i];
      if (!value.is_number()) continue;
      const double factor = value.get<double>();
      if (!(factor > 0 && factor < 1e12)) continue;
      if (axes[i] == Axis::x) level.voxel_size_known = true;
      if (axes[i] == Axis::z) size.z *= factor;
      if (axes[i] == Axis::y) size.y *= factor;
      if (axes[i] == Axis::x) size.x *= factor;
    }
  }
}

// The unit of x.
std::string read_unit(const Json& multiscale) {
  const Json* axes = find_member(multiscale, "axes");
  if (axes == nullptr || !axes->is_array()) return {};
  for (const Json& axis : *axes) {
    if (get_text(axis, "name") == "x") return get_text(axis, "unit").value_or("");
  }
  return {};
}

std::optional<uint32_t> read_colour(const Json& channel) {
  const auto text = get_text(channel, "color");
  uint32_t colour = 0;
  if (!text || text->size() != 6) return std::nullopt;
  const auto [end, failure] =
      std::from_chars(text->data(), text->data() + text->size(), colour, 16);
  if (failure != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return colour;
}

// What viewers are told of the channels; empty if that says nothing.
std::vector<Channel> read_channels(const Json& ome, uint64_t channels) {
  const Json* omero = find_member(ome, "omero");
  const Json* list = omero == nullptr ? nullptr : find_member(*omero, "channels");
  if (list == nullptr || !list->is_array() || list->size() != channels) return {};
  std::vector<Channel> known;
  for (const Json& channel : *list)
    known.push_back({get_text(channel, "label").value_or(""), read_colour(channel)});
  const bool any = std::any_of(known.begin(), known.end(), [](const Channel& channel) {
    return !channel.name.empty() || channel.colour;
  });
  return any ? known : std::vector<Channel>();
}

// The plate and the well that a field lies in, by its path: PLATE.zarr/A/1/0.
void read_place(const std::string& path, ImageInfo& info) {
  const size_t zarr = path.rfind(".zarr/");
  if (zarr == std::string::npos) return;
  std::vector<std::string> parts;
  for (size_t begin = zarr + 6; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    if (end > begin) parts.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  if (parts.size() != 3) return;
  info.plate = path.substr(0, zarr + 5);
  info.well = parts[0] + "/" + parts[1];
}

class OmeZarrImage : public Image {
 public:
  explicit OmeZarrImage(std::shared_ptr<const NotedTree> tree) : Image(std::move(tree)) {}

  const ImageInfo& info() const override { return info_; }

  Result<void> for_each_chunk(const Region& region, const UseChunk& use) const override {
    TRY(check_region(info_, region));
    return arrays_[region.level]->for_each_chunk(tree(), region, use);
  }

  Result<void> for_each_file(const Region& region, const UseFile& use) const override {
    TRY(check_region(info_, region));
    return arrays_[region.level]->for_each_file(region, use);
  }

  Result<void> read(const ZarrGroup& group, const std::string& folder) {
    const std::string name = tree().path() + "/" + group.file;
    const Json& multiscales = group.ome.at("multiscales");
    if (!multiscales.is_array() || multiscales.empty())
      return damaged(name, "multiscales is empty");
    const Json& multiscale = multiscales.front();
    TRY_ASSIGN(const std::vector<Axis> axes, read_axes(multiscale, name));
    const Json* levels = find_member(multiscale, "datasets");
    if (levels == nullptr || !levels->is_array() || levels->empty())
      return damaged(name, "multiscales lists no datasets");
    if (levels->size() > kMaxLevels)
      return damaged(name, "multiscales lists too many resolution levels");
    for (const Json& item : *levels) {
      const auto path = get_text(item, "path");
      if (!path || !is_safe_path(*path))
        return damaged(name, "a dataset's path is missing or leaves the folder");
      TRY_ASSIGN(auto array, ZarrArray::open(tree(), join(folder, *path), axes));
      Level level = array->level();
      apply_scale(multiscale, axes, level);
      apply_scale(item, axes, level);
      info_.levels.push_back(std::move(level));
      arrays_.push_back(std::move(array));
    }
    return describe(group.ome, multiscale, axes, name);
  }

 private:
  Result<void> describe(const Json& ome, const Json& multiscale, const std::vector<Axis>& axes,
                        const std::string& name) {
    info_.path = tree().path();
    info_.format = "OME-Zarr";
    info_.axes = axes;
    std::sort(info_.axes.begin(), info_.axes.end());
    info_.type = arrays_.front()->type();
    info_.type_name = arrays_.front()->type_name();
    info_.voxel_unit = read_unit(multiscale);
    info_.channels = read_channels(ome, info_.levels.front().shape.c);
    read_place(info_.path, info_);
    for (const auto& array : arrays_) {
      if (array->type() != info_.type)
        return damaged(name, "its levels differ in their pixel type");
      if (!info_.not_decodable) info_.not_decodable = array->not_decodable();
    }
    return {};
  }

  ImageInfo info_;
  std::vector<std::unique_ptr<ZarrArray>> arrays_;  // one a level
};

std::vector<std::string> paths_in(const Json& object, std::string_view key) {
  std::vector<std::string> paths;
  const Json* list = find_member(object, key);
  if (list == nullptr || !list->is_array()) return paths;
  for (const Json& entry : *list) {
    auto path = get_text(entry, "path");
    if (path && is_safe_path(*path) && paths.size() < kMaxWells) paths.push_back(*std::move(path));
  }
  return paths;
}

// True if the folder has a group with a second image.
Result<bool> has_second_image(const FileTree& tree) {
  for (const char* file : {"1/.zgroup", "1/zarr.json"}) {
    TRY_ASSIGN(const auto size_bytes, tree.size_of(file));
    if (size_bytes) return true;
  }
  return false;
}

}  // namespace

Result<bool> looks_like_zarr(const FileTree& tree) {
  for (const char* file : {".zattrs", ".zgroup", ".zarray", "zarr.json"}) {
    TRY_ASSIGN(const auto size_bytes, tree.size_of(file));
    if (size_bytes) return true;
  }
  return false;
}

Result<std::optional<ZarrGroup>> read_zarr_group_in(const FileTree& tree, const std::string& folder,
                                                    std::string_view file) {
  const std::string path = join(folder, std::string(file));
  TRY_ASSIGN(const auto text, tree.read_small(path, kMaxMetadataBytes));
  if (!text) return std::nullopt;
  TRY_ASSIGN(Json json, parse_json(*text, tree.path() + "/" + path));
  if (file.starts_with('.')) return ZarrGroup{std::move(json), path};
  const Json* attributes = find_member(json, "attributes");
  if (get_text(json, "node_type") != "group" || attributes == nullptr) return std::nullopt;
  const Json* ome = find_member(*attributes, "ome");
  return ZarrGroup{ome == nullptr ? *attributes : *ome, path};
}

Result<std::optional<ZarrGroup>> read_zarr_group(const FileTree& tree, const std::string& folder) {
  for (const char* file : {"zarr.json", ".zattrs"}) {
    TRY_ASSIGN(auto group, read_zarr_group_in(tree, folder, file));
    if (!group) continue;
    // Tools that list an image want its .zgroup too.
    if (file[0] == '.') TRY(tree.read_small(join(folder, ".zgroup"), kMaxMetadataBytes));
    return group;
  }
  return std::nullopt;
}

Result<std::vector<std::string>> read_well(const FileTree& tree, const std::string& folder) {
  TRY_ASSIGN(const auto group, read_zarr_group(tree, folder));
  const Json* well = group ? find_member(group->ome, "well") : nullptr;
  return well == nullptr ? std::vector<std::string>() : paths_in(*well, "images");
}

Result<std::vector<PlateWell>> read_plate(const FileTree& tree) {
  std::vector<PlateWell> wells;
  TRY_ASSIGN(const auto group, read_zarr_group(tree, ""));
  const Json* plate = group ? find_member(group->ome, "plate") : nullptr;
  if (plate == nullptr) return wells;
  for (const std::string& path : paths_in(*plate, "wells")) {
    TRY_ASSIGN(auto images, read_well(tree, path));
    wells.push_back({path, std::move(images)});
  }
  return wells;
}

Result<std::unique_ptr<Image>> open_ome_zarr(std::shared_ptr<const NotedTree> tree) {
  const std::string path = tree->path();
  std::string folder;
  // bioformats2raw puts each image of a file into a folder "0", "1", ...: a single one is opened
  // from the root.
  for (const bool may_descend : {true, false}) {
    TRY_ASSIGN(const auto group, read_zarr_group(*tree, folder));
    if (group && find_member(group->ome, "multiscales") != nullptr) {
      auto image = std::make_unique<OmeZarrImage>(tree);
      TRY(image->read(*group, folder));
      return image;
    }
    if (group && find_member(group->ome, "plate") != nullptr) {
      return unsupported(
          fmt::format("{} is a plate: name one field of it, such as {}/A/1/0", path, path));
    }
    TRY_ASSIGN(const std::vector<std::string> fields, read_well(*tree, folder));
    if (!fields.empty()) {
      return unsupported(fmt::format(
          "{0} is a well with {1} image{2}: name one of them, such as {0}/{3} (in a workflow, "
          "'scatter: {{by: file}}' makes a task of each)",
          path, fields.size(), fields.size() == 1 ? "" : "s", fields.front()));
    }
    if (!may_descend || !group || find_member(group->ome, "bioformats2raw.layout") == nullptr)
      break;
    TRY_ASSIGN(const bool several, has_second_image(*tree));
    if (several)
      return unsupported(
          fmt::format("{} holds several images: name one of them, such as {}/0", path, path));
    folder = "0";
  }
  TRY_ASSIGN(const auto array, tree->size_of(".zarray"));
  if (array)
    return unsupported(path + " is a bare Zarr array: name the OME-Zarr image folder above it");
  return unsupported(
      path + " is a Zarr folder but not an OME-Zarr image: its metadata has no multiscales");
}

}  // namespace tierhub::formats
