#include "formats/tiff.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "formats/tiff_description.h"
#include "formats/tiff_directory.h"

namespace tierhub::formats {
namespace {

constexpr uint64_t kMaxSide = uint64_t{1} << 31;

std::string compression_name(uint64_t compression) {
  switch (compression) {
    case 1:
      return "none";
    case 5:
      return "lzw";
    case 8:
    case 32946:
      return "deflate";
    case 32773:
      return "packbits";
    case 6:
    case 7:
      return "jpeg";
    case 33003:
    case 33004:
    case 33005:
    case 34712:
      return "jpeg2000";
    case 50000:
      return "zstd";
    default:
      return fmt::format("number {}", compression);
  }
}

bool can_decompress(uint64_t compression) {
  return compression == 1 || compression == 5 || compression == 8 || compression == 32946 ||
         compression == 32773;
}

std::optional<std::string> why_not_decodable(const TiffDirectory& page) {
  if (page.samples != 1 || page.photometric == 2 || page.photometric == 6)
    return "RGB TIFF: only grey 8/16-bit";
  // A palette in which every index is its own shade of grey changes nothing.
  const bool is_plain_grey = page.photometric == 3 && page.grey_palette && page.bits == 8;
  if (page.photometric == 3 && !is_plain_grey) return "palette TIFF: only grey 8/16-bit";
  if (page.photometric > 3)
    return fmt::format("TIFF of photometric {}: only grey 8/16-bit", page.photometric);
  if (page.photometric == 0)
    return "TIFF with white as zero: only grey 8/16-bit with black as zero";
  if (page.sample_format == 3) return "floating-point TIFF: only grey 8/16-bit";
  if (page.sample_format == 2) return "signed TIFF: only unsigned grey 8/16-bit";
  if (page.bits != 8 && page.bits != 16 && page.bits != 32)
    return fmt::format("{}-bit TIFF: only grey 8/16-bit", page.bits);
  if (!can_decompress(page.compression)) {
    return fmt::format("{}-compressed TIFF: only none, LZW, Deflate and PackBits are supported",
                       compression_name(page.compression));
  }
  return std::nullopt;
}

Pixels pixels_of(const TiffDirectory& page, ByteOrder order) {
  Pixels pixels;
  pixels.order = order;
  pixels.bytes = std::max<uint64_t>(1, page.bits * page.samples / 8);
  if (page.samples == 1 && page.sample_format == 1) {
    if (page.bits == 8) pixels.type = PixelType::uint8;
    if (page.bits == 16) pixels.type = PixelType::uint16;
    if (page.bits == 32) pixels.type = PixelType::uint32;
  }
  if (pixels.type != PixelType::other) {
    pixels.type_name = to_text(pixels.type);
  } else {
    pixels.type_name = fmt::format("{}x{}-bit", page.samples, page.bits);
  }
  return pixels;
}

Result<void> check_pages_are_equal(const std::vector<TiffDirectory>& pages,
                                   const std::string& path) {
  const TiffDirectory& first = pages.front();
  if (first.width == 0 || first.height == 0 || first.width > kMaxSide || first.height > kMaxSide ||
      first.samples > 64 || first.bits > 64) {
    return Error(std::errc::invalid_argument,
                 path + " is damaged: the size of its first page is impossible");
  }
  for (const TiffDirectory& page : pages) {
    if (page.width != first.width || page.height != first.height || page.bits != first.bits ||
        page.samples != first.samples || page.sample_format != first.sample_format) {
      return Error(std::errc::not_supported,
                   path + ": its pages differ in size or type, so they are not one stack");
    }
  }
  return {};
}

}  // namespace

bool is_tiff_header(std::string_view head) {
  using namespace std::string_view_literals;
  return head.starts_with("II*\0"sv) || head.starts_with("MM\0*"sv) ||
         head.starts_with("II+\0"sv) || head.starts_with("MM\0+"sv);
}

Result<Dataset> open_tiff(const FileTree& tree, const std::string& path) {
  Dataset dataset;
  dataset.kind = Kind::tiff;
  dataset.path = path;
  TRY_ASSIGN(const auto file_bytes, tree.size_of(""));
  dataset.file_bytes = file_bytes.value_or(0);
  TRY_ASSIGN(TiffDirectories directories, read_tiff_directories(tree, path, dataset.file_bytes));
  std::vector<TiffDirectory>& pages = directories.pages;
  const TiffDirectory described = pages.front();
  if (!pages.front().reduced)
    std::erase_if(pages, [](const TiffDirectory& page) { return page.reduced; });
  TRY(check_pages_are_equal(pages, path));
  TRY_ASSIGN(TiffLayout layout, read_tiff_layout(described, pages.size(), path));
  if (layout.t > 1) dataset.axes.push_back(Axis::t);
  if (layout.c > 1) dataset.axes.push_back(Axis::c);
  if (layout.z > 1) dataset.axes.push_back(Axis::z);
  dataset.axes.insert(dataset.axes.end(), {Axis::y, Axis::x});
  dataset.page_step_t = layout.step('T');
  dataset.page_step_c = layout.step('C');
  dataset.page_step_z = layout.step('Z');
  dataset.z_assumed = layout.z_assumed;
  dataset.channel_names = std::move(layout.channel_names);
  dataset.voxel_unit = std::move(layout.unit);
  for (const TiffDirectory& page : pages) {
    dataset.pages.push_back({page.offset_bytes});
    if (!dataset.not_decodable) dataset.not_decodable = why_not_decodable(page);
  }
  const TiffDirectory& first = pages.front();
  Level level;
  level.shape = {layout.t, layout.c, layout.z, first.height, first.width};
  level.chunk = {
      1, 1, 1,
      std::min(first.height, first.rows_per_strip == 0 ? first.height : first.rows_per_strip),
      first.width};
  if (first.tile_width != 0 && first.tile_height != 0) {
    level.chunk.y = first.tile_height;
    level.chunk.x = first.tile_width;
  }
  level.pixels = pixels_of(first, directories.big_endian ? ByteOrder::big : ByteOrder::little);
  level.compressor = compression_name(first.compression);
  level.voxel_size_known = layout.voxel_size.has_value();
  level.voxel_size = layout.voxel_size.value_or(VoxelSize{});
  dataset.levels.push_back(std::move(level));
  return dataset;
}

size_t page_number(const Dataset& dataset, uint64_t t, uint64_t c, uint64_t z) {
  return t * dataset.page_step_t + c * dataset.page_step_c + z * dataset.page_step_z;
}

}  // namespace tierhub::formats
