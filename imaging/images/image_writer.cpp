#include "imaging/images/image_writer.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "common/first_error.h"
#include "common/posix.h"

namespace tierhub::imaging {
namespace {

using formats::Axis;
using formats::Grid;
using formats::Json;
using formats::PixelType;
using formats::Region;
using formats::Shape;

std::string text_of(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

// "<u2"
std::string dtype(PixelType type) {
  const char kind = formats::is_float(type) ? 'f' : formats::is_signed(type) ? 'i' : 'u';
  const uint64_t bytes = formats::bytes_of(type);
  return fmt::format("{}{}{}", bytes == 1 ? '|' : '<', kind, bytes);
}

bool is_zero(std::span<const std::byte> bytes) {
  return bytes.empty() ||
         (bytes[0] == std::byte{0} && std::memcmp(&bytes[0], &bytes[1], bytes.size() - 1) == 0);
}

template <class T>
constexpr PixelType kTypeOf = sizeof(T) == 2 ? PixelType::uint16 : PixelType::uint32;

template <class To>
To number_as(const GreyScale& scale, uint32_t grey) {
  if (scale.is_identity()) return static_cast<To>(grey);
  const double number = scale.number_of(grey);
  return static_cast<To>(std::is_floating_point_v<To> ? number : std::round(number));
}

// The numbers that grey values stand for, which `type` can hold.
template <class T>
std::vector<std::byte> numbers_of(const std::vector<T>& voxels, const GreyScale& scale,
                                  PixelType type) {
  std::vector<std::byte> bytes(voxels.size() * formats::bytes_of(type));
  formats::with_type(type, [&](auto sample) {
    using To = decltype(sample);
    std::byte* next = bytes.data();
    for (const T voxel : voxels) {
      const To value = number_as<To>(scale, voxel);
      std::memcpy(next, &value, sizeof value);
      next += sizeof value;
    }
  });
  return bytes;
}

const char* kind_of(Axis axis) {
  return axis == Axis::t ? "time" : axis == Axis::c ? "channel" : "space";
}

}  // namespace

Json ImageWriter::per_axis(const Shape& sizes) const {
  Json list = Json::array();
  for (const Axis axis : layout_.axes) list.push_back(sizes.along(axis));
  return list;
}

Json ImageWriter::per_axis(const formats::VoxelSize& sizes, double others) const {
  Json list = Json::array();
  for (const Axis axis : layout_.axes) {
    list.push_back(axis == Axis::z   ? sizes.z
                   : axis == Axis::y ? sizes.y
                   : axis == Axis::x ? sizes.x
                                     : others);
  }
  return list;
}

Json ImageWriter::array_metadata(const Shape& shape) const {
  const uint64_t bytes = formats::bytes_of(layout_.type);
  if (layout_.version == ZarrVersion::ome_0_4) {
    return {{"zarr_format", 2},
            {"shape", per_axis(shape)},
            {"chunks", per_axis(layout_.chunk)},
            {"dtype", dtype(layout_.type)},
            {"compressor",
             {{"id", "blosc"},
              {"cname", pixels::to_text(layout_.codec)},
              {"clevel", 5},
              {"shuffle", 1},
              {"blocksize", 0}}},
            {"fill_value", 0},
            {"order", "C"},
            {"filters", nullptr},
            {"dimension_separator", "/"}};
  }
  Json names = Json::array();
  for (const Axis axis : layout_.axes) names.push_back(std::string(1, to_letter(axis)));
  const Json codecs = Json::array({{{"name", "bytes"}, {"configuration", {{"endian", "little"}}}},
                                   {{"name", "blosc"},
                                    {"configuration",
                                     {{"typesize", bytes},
                                      {"cname", pixels::to_text(layout_.codec)},
                                      {"clevel", 5},
                                      {"shuffle", "shuffle"},
                                      {"blocksize", 0}}}}});
  return {{"zarr_format", 3},
          {"node_type", "array"},
          {"shape", per_axis(shape)},
          {"data_type", to_text(layout_.type)},
          {"chunk_grid",
           {{"name", "regular"}, {"configuration", {{"chunk_shape", per_axis(layout_.chunk)}}}}},
          {"chunk_key_encoding", {{"name", "default"}, {"configuration", {{"separator", "/"}}}}},
          {"fill_value", 0},
          {"codecs", codecs},
          {"dimension_names", names},
          {"attributes", Json::object()}};
}

// What viewers show of each channel. The range of values is that of the type, where it has one.
Json ImageWriter::channel_attributes() const {
  double least = 0, most = 1;
  formats::with_type(layout_.type, [&](auto sample) {
    using T = decltype(sample);
    if (!std::is_integral_v<T>) return;
    least = static_cast<double>(std::numeric_limits<T>::min());
    most = static_cast<double>(std::numeric_limits<T>::max());
  });
  Json list = Json::array();
  for (const formats::Channel& channel : layout_.channels) {
    list.push_back({{"label", channel.name},
                    {"color", fmt::format("{:06X}", channel.colour.value_or(0xFFFFFF))},
                    {"active", true},
                    {"window", {{"min", least}, {"max", most}, {"start", least}, {"end", most}}}});
  }
  return {{"channels", list}};
}

Json ImageWriter::attributes() const {
  Json axes = Json::array();
  for (const Axis axis : layout_.axes) {
    Json one = {{"name", std::string(1, to_letter(axis))}, {"type", kind_of(axis)}};
    if (axis >= Axis::z && !layout_.voxel_unit.empty()) one["unit"] = layout_.voxel_unit;
    axes.push_back(one);
  }
  const formats::VoxelSize& size = layout_.voxel_size;
  const Extent& origin = layout_.origin;
  Json datasets = Json::array();
  for (size_t level = 0; level < levels_.size(); ++level) {
    const auto shrunk = [&](Axis axis) {
      return static_cast<double>(layout_.shape.along(axis)) /
             static_cast<double>(levels_[level].along(axis));
    };
    const formats::VoxelSize scale{size.z * shrunk(Axis::z), size.y * shrunk(Axis::y),
                                   size.x * shrunk(Axis::x)};
    Json transformations = Json::array({{{"type", "scale"}, {"scale", per_axis(scale, 1)}}});
    if (origin != Extent{0, 0, 0}) {
      const formats::VoxelSize place{static_cast<double>(origin.z) * size.z,
                                     static_cast<double>(origin.y) * size.y,
                                     static_cast<double>(origin.x) * size.x};
      transformations.push_back({{"type", "translation"}, {"translation", per_axis(place, 0)}});
    }
    datasets.push_back({{"path", fmt::format("{}", level)},
                        {"coordinateTransformations", std::move(transformations)}});
  }
  Json multiscale = {{"axes", axes}, {"datasets", datasets}};
  if (layout_.version == ZarrVersion::ome_0_4) multiscale["version"] = "0.4";
  Json all = layout_.attributes;
  all["multiscales"] = Json::array({multiscale});
  if (!layout_.channels.empty()) all["omero"] = channel_attributes();
  if (layout_.version == ZarrVersion::ome_0_5) all["version"] = "0.5";
  return all;
}

Result<void> ImageWriter::write_group() const {
  if (layout_.version == ZarrVersion::ome_0_5) {
    const Json group = {
        {"zarr_format", 3}, {"node_type", "group"}, {"attributes", {{"ome", attributes()}}}};
    return write(path() + "/zarr.json", text_of(group));
  }
  TRY(write(path() + "/.zgroup", text_of({{"zarr_format", 2}})));
  return write(path() + "/.zattrs", text_of(attributes()));
}

ImageWriter::ImageWriter(std::string path, const ImageLayout& layout)
    : path_(std::move(path)), layout_(layout) {
  for (const Axis axis : {Axis::t, Axis::c, Axis::z, Axis::y, Axis::x}) {
    uint64_t& size = layout_.chunk.along(axis);
    size = std::min(size, layout.shape.along(axis));
  }
}

Result<ImageWriter> ImageWriter::create(const std::string& path, const ImageLayout& layout) {
  TRY_ASSIGN(OutputFolder folder, OutputFolder::create(path));
  ImageWriter writer(folder.path(), layout);
  writer.folder_.emplace(std::move(folder));
  TRY(writer.add_level(layout.shape));
  return writer;
}

Result<ImageWriter> ImageWriter::share(const std::string& path, const ImageLayout& layout) {
  ImageWriter writer(path, layout);
  writer.levels_.push_back(layout.shape);
  TRY(writer.is_made());
  return writer;
}

Result<bool> ImageWriter::is_made() const {
  const auto found = posix::read_file(path_ + "/0/.zarray");
  if (found && *found != text_of(array_metadata(layout_.shape))) {
    return Error(std::errc::file_exists,
                 path_ + " is an image of another size, type or chunk: choose another name");
  }
  return found.has_value();
}

Result<void> ImageWriter::make_if_shared() const {
  if (folder_) return {};
  TRY_ASSIGN(const bool is_there, is_made());
  if (is_there) return {};
  const std::string array = path_ + "/0/.zarray";
  TRY(make_parent_folder(array));
  TRY(write_group());
  return write(array, text_of(array_metadata(layout_.shape)));
}

Result<void> ImageWriter::write(const std::string& file, std::string_view bytes) const {
  return folder_ ? write_new_file(file, bytes) : write_output_file(file, bytes);
}

Result<void> ImageWriter::add_level(const Shape& shape) {
  const std::string folder = fmt::format("{}/{}", path(), levels_.size());
  levels_.push_back(shape);
  const char* name = layout_.version == ZarrVersion::ome_0_4 ? ".zarray" : "zarr.json";
  const std::string array = folder + "/" + name;
  TRY(make_parent_folder(array));
  TRY(write(array, text_of(array_metadata(shape))));
  return write_group();
}

Grid ImageWriter::grid(size_t level) const { return {levels_[level], layout_.chunk}; }

Result<void> ImageWriter::write_file(const std::string& name, std::string_view bytes) const {
  return write(path() + "/" + name, bytes);
}

Result<void> ImageWriter::check_whole_chunks(const Box& box) const {
  const Shape& shape = levels_.front();
  const Shape& chunk = layout_.chunk;
  const auto is_whole = [](const formats::AxisRange& range, uint64_t size, uint64_t length) {
    return range.begin % length == 0 && (range.end % length == 0 || range.end == size);
  };
  if (is_whole(box.z, shape.z, chunk.z) && is_whole(box.y, shape.y, chunk.y) &&
      is_whole(box.x, shape.x, chunk.x))
    return {};
  return Error(std::errc::invalid_argument,
               fmt::format("blocks that write one image must consist of whole chunks: use sizes "
                           "that are multiples of z={}, y={}, x={}",
                           chunk.z, chunk.y, chunk.x));
}

template <class T>
Result<void> ImageWriter::write_box(const Box& box, const Volume<T>& volume,
                                    Parallel parallel) const {
  if (layout_.type != kTypeOf<T>)
    return write_numbers(box, numbers_of(volume.voxels, layout_.scale, layout_.type), parallel);
  return write_numbers(box, std::as_bytes(std::span(volume.voxels)), parallel);
}
template Result<void> ImageWriter::write_box(const Box&, const GreyVolume&, Parallel) const;
template Result<void> ImageWriter::write_box(const Box&, const LabelVolume&, Parallel) const;

Result<void> ImageWriter::write_numbers(const Box& box, std::span<const std::byte> numbers,
                                        Parallel parallel) const {
  TRY(check_whole_chunks(box));
  TRY(make_if_shared());
  const uint64_t bytes = formats::bytes_of(layout_.type);
  const Shape from = formats::dense_strides({1, 1, box.z.size(), box.y.size(), box.x.size()});
  const Region region{0, {0, 1}, {0, 1}, box.z, box.y, box.x};
  return for_each_chunk(region, parallel, [&](const Shape& at, const Region& own) {
    const uint64_t first = (own.z.begin - box.z.begin) * from.z +
                           (own.y.begin - box.y.begin) * from.y + (own.x.begin - box.x.begin);
    return pack_chunk(0, at, numbers.data() + first * bytes, from);
  });
}

void write_box(MemoryUse& memory, const ImageLayout& layout, const Box& box, PixelType type) {
  const uint64_t bytes = formats::bytes_of(layout.type);
  if (layout.type != type) memory.allocate(box.voxels() * bytes);
  memory.pack_image_chunks(box.voxels() * bytes, layout.chunk.voxels() * bytes);
  if (layout.type != type) memory.free(box.voxels() * bytes);
}

Result<void> ImageWriter::write_chunk(size_t level, const Shape& at,
                                      std::span<const std::byte> voxels) const {
  return pack_chunk(level, at, voxels.data(),
                    dense_strides(grid(level).region_of(level, at).shape()));
}

Result<void> ImageWriter::for_each_chunk(
    const Region& region, Parallel parallel,
    const std::function<Result<void>(const Shape& at, const Region&)>& use) const {
  const Grid all = grid(region.level);
  std::vector<Shape> places;
  TRY(all.for_each(region, [&](const Shape& at) -> Result<void> {
    places.push_back(at);
    return {};
  }));
  FirstError failure;
  parallel.for_each(places.size(), [&](size_t i) {
    if (!failure.is_set()) failure.note(use(places[i], all.region_of(region.level, places[i])));
  });
  return failure.result();
}

Result<void> ImageWriter::fill_level(size_t level, Parallel parallel, const Fill& fill) const {
  return for_each_chunk(
      whole(levels_[level], level), parallel,
      [&](const Shape& at, const Region& region) -> Result<void> {
        std::vector<std::byte> voxels(region.shape().voxels() * formats::bytes_of(layout_.type));
        TRY(fill(region, voxels));
        return write_chunk(level, at, voxels);
      });
}

template <class T>
Result<void> ImageWriter::write_volume(size_t level, const Volume<T>& volume,
                                       Parallel parallel) const {
  const Shape from = dense_strides(levels_[level]);
  return for_each_chunk(
      whole(levels_[level], level), parallel, [&](const Shape& at, const Region& region) {
        const T& first = volume.at(region.z.begin, region.y.begin, region.x.begin);
        return pack_chunk(level, at, reinterpret_cast<const std::byte*>(&first), from);
      });
}
template Result<void> ImageWriter::write_volume(size_t, const GreyVolume&, Parallel) const;
template Result<void> ImageWriter::write_volume(size_t, const LabelVolume&, Parallel) const;

Result<void> ImageWriter::pack_chunk(size_t level, const Shape& at, const std::byte* voxels,
                                     const Shape& from) const {
  const uint64_t bytes = formats::bytes_of(layout_.type);
  const Shape own = grid(level).region_of(level, at).shape();
  const Shape to = dense_strides(layout_.chunk);
  // Chunks at the end of an axis are stored at full size. The buffer is kept:
  // fresh memory costs as much as packing.
  thread_local std::vector<std::byte> padded;
  bool is_empty = true;
  for (uint64_t t = 0; t < own.t; ++t)
    for (uint64_t c = 0; c < own.c; ++c)
      for (uint64_t z = 0; z < own.z; ++z)
        for (uint64_t y = 0; y < own.y; ++y) {
          const std::byte* row =
              voxels + (t * from.t + c * from.c + z * from.z + y * from.y) * bytes;
          if (is_empty) {
            if (is_zero({row, own.x * bytes})) continue;
            is_empty = false;
            padded.assign(layout_.chunk.voxels() * bytes, std::byte{0});
          }
          std::memcpy(&padded[(t * to.t + c * to.c + z * to.z + y * to.y) * bytes], row,
                      own.x * bytes);
        }
  if (is_empty) return {};
  TRY_ASSIGN(const auto packed, pixels::compress_blosc(padded, bytes, layout_.codec));
  std::string name = fmt::format("{}/{}", path(), level);
  if (layout_.version == ZarrVersion::ome_0_5) name += "/c";
  for (const Axis axis : layout_.axes) name += fmt::format("/{}", at.along(axis));
  TRY(make_parent_folder(name));
  return write(name, {reinterpret_cast<const char*>(packed.data()), packed.size()});
}

}  // namespace tierhub::imaging
