#include "formats/image.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

#include <fmt/format.h>

#include "formats/hdf5_image.h"
#include "formats/mrc.h"
#include "formats/ome_zarr.h"
#include "formats/picture.h"
#include "formats/series.h"
#include "formats/slide.h"
#include "formats/tiff.h"

namespace tierhub::formats {
namespace {

using namespace std::string_view_literals;

struct Magic {
  uint64_t offset_bytes;
  std::string_view bytes;
  std::string_view format;
};

// Formats that people have, and that are refused by name.
constexpr std::array kKnown = {
    Magic{0, "ZISRAWFILE"sv, "a CZI file (Zeiss)"},
    Magic{0, "\xDA\xCE\xBE\x0A"sv, "an ND2 file (Nikon)"},
    Magic{0, "\0\0\0\x0CjP  \r\n\x87\n"sv, "a JPEG 2000 or old ND2 file"},
    Magic{0, "p\0\0\0"sv, "a LIF file (Leica)"},
    Magic{0, "PK\x03\x04"sv, "a zip archive"},
    Magic{0, "\xD0\xCF\x11\xE0"sv, "an OLE file (OIB, ZVI or an old Office format)"},
    Magic{0, "%PDF"sv, "a PDF file"},
};

Error unsupported(std::string_view format, const std::string& path) {
  return Error(std::errc::not_supported,
               fmt::format("{} is {}, which is not supported: convert it to OME-Zarr, for example "
                           "with bioformats2raw",
                           path, format));
}

Result<std::unique_ptr<Image>> open_file(std::shared_ptr<const NotedTree> tree) {
  constexpr size_t kHeadBytes = 1024;
  std::string head(kHeadBytes, '\0');
  TRY_ASSIGN(const size_t got,
             tree->read_at(tree->file(), std::as_writable_bytes(std::span(head)), 0));
  head.resize(got);
  if (head.empty()) return Error(std::errc::invalid_argument, tree->path() + " is empty");
  if (is_slide_name(tree->file())) return open_slide(std::move(tree));
  if (is_tiff_header(head)) return open_tiff(std::move(tree));
  if (is_picture_header(head)) return open_picture(std::move(tree));
  if (is_hdf5_header(head)) return open_hdf5(std::move(tree));
  for (const Magic& magic : kKnown) {
    if (std::string_view(head)
            .substr(0, magic.offset_bytes + magic.bytes.size())
            .ends_with(magic.bytes))
      return unsupported(magic.format, tree->path());
  }
  if (is_mrc_header(head)) return open_mrc(std::move(tree), head);
  return unsupported("of an unknown format", tree->path());
}

Result<void> check_range(std::string_view name, const AxisRange& range, uint64_t size,
                         const std::string& path) {
  if (!range.empty() && range.end <= size) return {};
  return Error(std::errc::invalid_argument,
               fmt::format("{} is not in {}, which has only {}", to_words(name, range), path,
                           to_words(name, {0, size})));
}

AxisRange overlap(const AxisRange& a, const AxisRange& b) {
  return {std::max(a.begin, b.begin), std::min(a.end, b.end)};
}

uint64_t rounded_up(uint64_t a, uint64_t b) { return a / b + (a % b != 0 ? 1 : 0); }

}  // namespace

Result<std::unique_ptr<Image>> Image::open(std::shared_ptr<const FileTree> tree) {
  auto noted = std::make_shared<const NotedTree>(std::move(tree));
  if (!noted->is_folder()) return open_file(std::move(noted));
  TRY_ASSIGN(const bool is_zarr, looks_like_zarr(*noted));
  if (is_zarr) return open_ome_zarr(std::move(noted));
  return open_series(std::move(noted));
}

Result<std::unique_ptr<Image>> Image::open(const std::string& path) {
  TRY_ASSIGN(auto tree, PosixTree::open(path));
  return open(std::move(tree));
}

Result<std::unique_ptr<Image>> Image::open_series_of(const std::string& path) {
  const std::filesystem::path file(path);
  const std::string folder = file.parent_path().string();
  TRY_ASSIGN(auto tree, PosixTree::open(folder.empty() ? "." : folder));
  return open_series_of(std::move(tree), file.filename().string());
}

Result<std::unique_ptr<Image>> Image::open_series_of(std::shared_ptr<const FileTree> folder,
                                                     const std::string& name) {
  TRY_ASSIGN(const auto names, folder->list(""));
  FolderNames found = find_series(names);
  for (SeriesFiles& series : found.series) {
    const auto& members = series.names;
    if (std::find(members.begin(), members.end(), name) != members.end())
      return open_series(std::make_shared<const NotedTree>(std::move(folder)), std::move(series));
  }
  return Error(
      std::errc::invalid_argument,
      folder->path() + "/" + name + " belongs to no numbered series (a_t001.tif, a_t002.tif)");
}

Result<void> Image::for_each_file(const Region& region, const UseFile& use) const {
  return for_each_chunk(region, [&](const Chunk& chunk) -> Result<void> {
    for (const FileRange& range : chunk.bytes) TRY(use(range.path));
    return {};
  });
}

std::string ImageInfo::axes_text() const {
  std::string text;
  for (const Axis axis : axes) text += to_letter(axis);
  return text;
}

std::string ImageInfo::sizes_text(const Shape& shape) const {
  std::string text;
  for (const Axis axis : axes)
    text += fmt::format("{}{}", text.empty() ? "" : " x ", shape.along(axis));
  return text;
}

bool ImageInfo::has_axis(Axis axis) const {
  return std::find(axes.begin(), axes.end(), axis) != axes.end();
}

uint64_t ImageInfo::planes() const {
  const Shape& shape = levels.front().shape;
  return shape.t * shape.c * shape.z;
}

Region intersect(const Region& a, const Region& b) {
  return {a.level,           overlap(a.t, b.t), overlap(a.c, b.c),
          overlap(a.z, b.z), overlap(a.y, b.y), overlap(a.x, b.x)};
}

Region whole(const Shape& shape, uint64_t level) {
  return {level, {0, shape.t}, {0, shape.c}, {0, shape.z}, {0, shape.y}, {0, shape.x}};
}

std::optional<uint64_t> bounded_product(const std::vector<uint64_t>& sizes, uint64_t limit) {
  uint64_t product = 1;
  for (const uint64_t size : sizes) {
    if (size == 0 || size > limit / product) return std::nullopt;
    product *= size;
  }
  return product;
}

Result<void> check_region(const ImageInfo& info, const Region& region) {
  return check_region(info.path, info.levels, region);
}

Result<void> check_region(const std::string& path, const std::vector<Level>& levels,
                          const Region& region) {
  TRY(check_range("level", {region.level, region.level + 1}, levels.size(), path));
  const Shape& shape = levels[region.level].shape;
  TRY(check_range("t", region.t, shape.t, path));
  TRY(check_range("c", region.c, shape.c, path));
  TRY(check_range("z", region.z, shape.z, path));
  TRY(check_range("y", region.y, shape.y, path));
  return check_range("x", region.x, shape.x, path);
}

Result<Box> whole_volume(const ImageInfo& info, uint64_t level, uint64_t t, uint64_t c) {
  Box box{level, t, c, {0, 1}, {0, 1}, {0, 1}};
  TRY(check_region(info, box));
  const Shape& shape = info.levels[level].shape;
  box.z = {0, shape.z};
  box.y = {0, shape.y};
  box.x = {0, shape.x};
  return box;
}

Shape Grid::counts() const {
  return {rounded_up(shape.t, chunk.t), rounded_up(shape.c, chunk.c), rounded_up(shape.z, chunk.z),
          rounded_up(shape.y, chunk.y), rounded_up(shape.x, chunk.x)};
}

Region Grid::region_of(uint64_t level, const Shape& at) const {
  const auto part = [&](Axis axis) {
    const uint64_t begin = at.along(axis) * chunk.along(axis);
    return AxisRange{begin, std::min(begin + chunk.along(axis), shape.along(axis))};
  };
  return {level, part(Axis::t), part(Axis::c), part(Axis::z), part(Axis::y), part(Axis::x)};
}

uint64_t Grid::index_of(const Shape& at) const {
  const Shape all = counts();
  return (((at.t * all.c + at.c) * all.z + at.z) * all.y + at.y) * all.x + at.x;
}

Result<void> Grid::check_count(const Region& region) const {
  uint64_t count = 1;
  const auto multiply = [&](const AxisRange& range, uint64_t size) {
    const uint64_t touched = (range.end - 1) / size - range.begin / size + 1;
    count = touched > Image::kMaxChunks ? Image::kMaxChunks + 1 : count * touched;
    count = std::min(count, Image::kMaxChunks + 1);
  };
  multiply(region.t, chunk.t);
  multiply(region.c, chunk.c);
  multiply(region.z, chunk.z);
  multiply(region.y, chunk.y);
  multiply(region.x, chunk.x);
  if (count <= Image::kMaxChunks) return {};
  return Error(std::errc::argument_list_too_long,
               fmt::format("the selection touches more than {} chunks: select less at once",
                           Image::kMaxChunks));
}

Shape dense_strides(const Shape& stored) {
  Shape stride;
  stride.x = 1;
  stride.y = stored.x;
  stride.z = stride.y * stored.y;
  stride.c = stride.z * stored.z;
  stride.t = stride.c * stored.c;
  return stride;
}

char to_letter(Axis axis) {
  switch (axis) {
    case Axis::t:
      return 't';
    case Axis::c:
      return 'c';
    case Axis::z:
      return 'z';
    case Axis::y:
      return 'y';
    case Axis::x:
      return 'x';
  }
  return '?';
}

std::optional<Axis> to_axis(std::string_view name) {
  constexpr std::array kAxes = {Axis::t, Axis::c, Axis::z, Axis::y, Axis::x};
  for (const Axis axis : kAxes) {
    if (name.size() == 1 && name[0] == to_letter(axis)) return axis;
  }
  return std::nullopt;
}

}  // namespace tierhub::formats
