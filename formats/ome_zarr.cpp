#include "formats/ome_zarr.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "formats/json.h"

namespace tierhub::formats {
namespace {

constexpr uint64_t kMaxMetadataBytes = 16u << 20;
constexpr uint64_t kMaxChunkBytes = uint64_t{1} << 30;
constexpr uint64_t kMaxVoxels = uint64_t{1} << 56;
constexpr size_t kMaxLevels = 64;

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

// Reads a JSON file and notes it as metadata; nothing if there is none.
Result<std::optional<Json>> read_json(const FileTree& tree, const std::string& file,
                                      Dataset& dataset) {
  TRY_ASSIGN(const auto text, tree.read_small(file, kMaxMetadataBytes));
  if (!text) return std::nullopt;
  dataset.metadata_files.push_back(file);
  TRY_ASSIGN(Json json, parse_json(*text, dataset.path + "/" + file));
  return json;
}

std::optional<Axis> to_axis(std::string_view name) {
  constexpr std::array kAxes = {Axis::t, Axis::c, Axis::z, Axis::y, Axis::x};
  for (const Axis axis : kAxes) {
    if (name.size() == 1 && name[0] == to_letter(axis)) return axis;
  }
  return std::nullopt;
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

Shape shape_of(const std::vector<Axis>& axes, const std::vector<uint64_t>& sizes) {
  Shape shape;
  for (size_t i = 0; i < axes.size(); ++i) {
    switch (axes[i]) {
      case Axis::t:
        shape.t = sizes[i];
        break;
      case Axis::c:
        shape.c = sizes[i];
        break;
      case Axis::z:
        shape.z = sizes[i];
        break;
      case Axis::y:
        shape.y = sizes[i];
        break;
      case Axis::x:
        shape.x = sizes[i];
        break;
    }
  }
  return shape;
}

// The product of all sizes, or nothing if it is 0 or larger than `limit`.
std::optional<uint64_t> bounded_product(const std::vector<uint64_t>& sizes, uint64_t limit) {
  uint64_t product = 1;
  for (const uint64_t size : sizes) {
    if (size == 0 || size > limit / product) return std::nullopt;
    product *= size;
  }
  return product;
}

// "<u2": byte order, kind, bytes.
Result<Pixels> read_pixels(const std::string& dtype, const std::string& file) {
  Pixels pixels;
  pixels.type_name = dtype;
  if (dtype.size() != 3 || std::string_view("<>|").find(dtype[0]) == std::string_view::npos ||
      std::string_view("biufcSV").find(dtype[1]) == std::string_view::npos || dtype[2] < '1' ||
      dtype[2] > '9') {
    return unsupported(fmt::format("{}: the pixel type \"{}\" is not supported", file, dtype));
  }
  pixels.bytes = static_cast<uint64_t>(dtype[2] - '0');
  pixels.order = dtype[0] == '>' ? ByteOrder::big : ByteOrder::little;
  if (dtype[1] == 'u' && pixels.bytes == 1) pixels.type = PixelType::uint8;
  if (dtype[1] == 'u' && pixels.bytes == 2) pixels.type = PixelType::uint16;
  if (dtype[1] == 'u' && pixels.bytes == 4) pixels.type = PixelType::uint32;
  if (pixels.type != PixelType::other) pixels.type_name = to_text(pixels.type);
  return pixels;
}

uint64_t read_fill_value(const Json& array) {
  if (const auto value = get_unsigned(array, "fill_value")) return *value;
  // Some writers quote it, or write 0.0.
  if (const auto value = get_number(array, "fill_value");
      value && *value >= 0 && *value < 4294967296.0) {
    return static_cast<uint64_t>(*value);
  }
  return 0;
}

void read_compressor(const Json& array, Level& level) {
  level.compressor = "none";
  const Json* compressor = find_member(array, "compressor");
  if (compressor == nullptr || compressor->is_null()) return;
  const std::string id = get_text(*compressor, "id").value_or("unnamed");
  level.compressor = id;
  if (id == "zlib") {
    level.codec = Codec::zlib;
  } else if (id == "gzip") {
    level.codec = Codec::gzip;
  } else if (id == "zstd") {
    level.codec = Codec::zstd;
  } else if (id == "blosc") {
    level.codec = Codec::blosc;
    level.compressor = "blosc-" + get_text(*compressor, "cname").value_or("lz4");
  } else {
    level.codec = Codec::other;
  }
}

bool has_filters(const Json& array) {
  const Json* filters = find_member(array, "filters");
  return filters != nullptr && !filters->is_null() && !(filters->is_array() && filters->empty());
}

void note_if_not_decodable(const Json& array, const Level& level, Dataset& dataset) {
  if (dataset.not_decodable) return;
  if (level.pixels.type == PixelType::other) {
    dataset.not_decodable = fmt::format(
        "pixels of type {}: only uint8 and uint16 images, and uint32 labels, are supported",
        level.pixels.type_name);
  } else if (level.codec == Codec::other) {
    dataset.not_decodable = fmt::format(
        "the compressor {}: only none, zlib, gzip, zstd and blosc are supported", level.compressor);
  } else if (has_filters(array)) {
    dataset.not_decodable = "Zarr filters are not supported";
  } else if (get_text(array, "order").value_or("C") != "C") {
    dataset.not_decodable = "a Zarr array in Fortran order is not supported: write it in C order";
  }
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

// The labels for viewers; empty if no channel has one.
std::vector<std::string> read_channel_names(const Json& attributes, uint64_t channels) {
  const Json* omero = find_member(attributes, "omero");
  const Json* list = omero == nullptr ? nullptr : find_member(*omero, "channels");
  if (list == nullptr || !list->is_array() || list->size() != channels) return {};
  std::vector<std::string> names;
  for (const Json& channel : *list) names.push_back(get_text(channel, "label").value_or(""));
  const bool any = std::any_of(names.begin(), names.end(),
                               [](const std::string& name) { return !name.empty(); });
  return any ? names : std::vector<std::string>();
}

Result<Level> read_level(const FileTree& tree, const std::string& path, Dataset& dataset) {
  const std::string file = join(path, ".zarray");
  TRY_ASSIGN(const auto array, read_json(tree, file, dataset));
  const std::string name = dataset.path + "/" + file;
  if (!array) return damaged(name, "this resolution level is missing");
  if (get_unsigned(*array, "zarr_format") != 2u) return damaged(name, "zarr_format is not 2");
  const auto shape = get_unsigned_list(*array, "shape");
  const auto chunks = get_unsigned_list(*array, "chunks");
  const auto dtype = get_text(*array, "dtype");
  if (!shape || !chunks || !dtype) return damaged(name, "shape, chunks or dtype is missing");
  if (shape->size() != dataset.axes.size() || chunks->size() != dataset.axes.size()) {
    return damaged(name, fmt::format("shape and chunks must have {} numbers, one for each axis",
                                     dataset.axes.size()));
  }
  if (!bounded_product(*shape, kMaxVoxels))
    return damaged(name, "the shape is empty or impossibly large");
  Level level;
  level.path = path;
  level.shape = shape_of(dataset.axes, *shape);
  level.chunk = shape_of(dataset.axes, *chunks);
  TRY_ASSIGN(level.pixels, read_pixels(*dtype, name));
  if (!bounded_product(*chunks, kMaxChunkBytes / level.pixels.bytes)) {
    return damaged(name, "the chunks are empty or larger than 1 GiB");
  }
  const std::string separator = get_text(*array, "dimension_separator").value_or(".");
  if (separator != "." && separator != "/")
    return damaged(name, "dimension_separator must be \".\" or \"/\"");
  level.separator = separator[0];
  level.fill_value = read_fill_value(*array);
  read_compressor(*array, level);
  note_if_not_decodable(*array, level, dataset);
  return level;
}

Result<void> read_multiscale(const FileTree& tree, const std::string& folder,
                             const Json& attributes, Dataset& dataset) {
  const std::string name = dataset.path + "/" + join(folder, ".zattrs");
  const Json& multiscales = attributes.at("multiscales");
  if (!multiscales.is_array() || multiscales.empty()) return damaged(name, "multiscales is empty");
  const Json& multiscale = multiscales.front();
  TRY_ASSIGN(dataset.axes, read_axes(multiscale, name));
  const Json* levels = find_member(multiscale, "datasets");
  if (levels == nullptr || !levels->is_array() || levels->empty())
    return damaged(name, "multiscales lists no datasets");
  if (levels->size() > kMaxLevels)
    return damaged(name, "multiscales lists too many resolution levels");
  for (const Json& item : *levels) {
    const auto path = get_text(item, "path");
    if (!path || !is_safe_path(*path))
      return damaged(name, "a dataset's path is missing or leaves the folder");
    TRY_ASSIGN(Level level, read_level(tree, join(folder, *path), dataset));
    apply_scale(multiscale, dataset.axes, level);
    apply_scale(item, dataset.axes, level);
    dataset.levels.push_back(std::move(level));
  }
  dataset.voxel_unit = read_unit(multiscale);
  dataset.channel_names = read_channel_names(attributes, dataset.levels.front().shape.c);
  return {};
}

Result<void> refuse_zarr3(const FileTree& tree, const std::string& folder,
                          const std::string& path) {
  TRY_ASSIGN(const auto v3, tree.size_of(join(folder, "zarr.json")));
  if (!v3) return {};
  return unsupported(fmt::format("OME-Zarr 0.5 (zarr v3) is not supported yet: {}", path));
}

}  // namespace

Result<bool> looks_like_zarr(const FileTree& tree) {
  for (const char* file : {".zattrs", ".zgroup", ".zarray", "zarr.json"}) {
    TRY_ASSIGN(const auto size_bytes, tree.size_of(file));
    if (size_bytes) return true;
  }
  return false;
}

Result<Dataset> open_ome_zarr(const FileTree& tree, const std::string& path) {
  Dataset dataset;
  dataset.kind = Kind::ome_zarr;
  dataset.path = path;
  std::string folder;
  // bioformats2raw puts each image of a file into a folder "0", "1", ...: a single one is opened
  // from the root.
  for (const bool may_descend : {true, false}) {
    TRY(read_json(tree, join(folder, ".zgroup"), dataset));
    TRY_ASSIGN(const auto attributes, read_json(tree, join(folder, ".zattrs"), dataset));
    if (attributes && find_member(*attributes, "multiscales") != nullptr) {
      TRY(read_multiscale(tree, folder, *attributes, dataset));
      return dataset;
    }
    TRY(refuse_zarr3(tree, folder, path));
    if (attributes && find_member(*attributes, "plate") != nullptr) {
      return unsupported(
          fmt::format("{} is a plate: name one field of it, such as {}/A/1/0", path, path));
    }
    if (!may_descend || !attributes || find_member(*attributes, "bioformats2raw.layout") == nullptr)
      break;
    TRY_ASSIGN(const auto second, tree.size_of("1/.zgroup"));
    if (second)
      return unsupported(
          fmt::format("{} holds several images: name one of them, such as {}/0", path, path));
    folder = "0";
  }
  TRY_ASSIGN(const auto array, tree.size_of(".zarray"));
  if (array)
    return unsupported(path + " is a bare Zarr array: name the OME-Zarr image folder above it");
  return unsupported(path +
                     "is a Zarr folder but not an OME-Zarr image: its .zattrs has no multiscales");
}

std::string chunk_path(const Dataset& dataset, const Level& level, const Shape& at) {
  std::string path = level.path + "/";
  for (size_t i = 0; i < dataset.axes.size(); ++i) {
    if (i > 0) path += level.separator;
    path += fmt::format("{}", at.along(dataset.axes[i]));
  }
  return path;
}

}  // namespace tierhub::formats
