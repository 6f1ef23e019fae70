#include "formats/tiff.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "formats/tiff_directory.h"

namespace tierhub::formats {
namespace {

constexpr uint64_t kMaxSide = uint64_t{1} << 31;

// How pages spread over the axes that are not in a plane.
struct Layout {
  uint64_t t = 1;
  uint64_t c = 1;
  uint64_t z = 1;
  std::string order = "ZCT";  // fastest first
};

std::optional<std::string_view> xml_attribute(std::string_view element, std::string_view name) {
  for (size_t at = element.find(name); at != std::string_view::npos;
       at = element.find(name, at + 1)) {
    const std::string_view rest = element.substr(at + name.size());
    if (at == 0 || (element[at - 1] != ' ' && element[at - 1] != '\n' && element[at - 1] != '\t'))
      continue;
    if (rest.size() < 2 || rest[0] != '=' || (rest[1] != '"' && rest[1] != '\'')) continue;
    const size_t end = rest.find(rest[1], 2);
    if (end == std::string_view::npos) return std::nullopt;
    return rest.substr(2, end - 2);
  }
  return std::nullopt;
}

std::optional<uint64_t> to_count(std::optional<std::string_view> text) {
  uint64_t value = 0;
  if (!text) return std::nullopt;
  const auto [end, failure] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (failure != std::errc() || end != text->data() + text->size() || value > kMaxTiffPages)
    return std::nullopt;
  return value;
}

// The first element `name` at or after `from`: from "<name" to ">". Empty if there is none.
std::string_view xml_element(std::string_view xml, std::string_view name, size_t& from) {
  const std::string open = fmt::format("<{}", name);
  while (true) {
    const size_t begin = xml.find(open, from);
    if (begin == std::string_view::npos) return {};
    const size_t end = xml.find('>', begin);
    if (end == std::string_view::npos) return {};
    from = end;
    const char after = xml[begin + open.size()];
    if (after == ' ' || after == '\n' || after == '\t' || after == '>' || after == '/') {
      return xml.substr(begin, end - begin);
    }
  }
}

uint64_t step_of(const Layout& layout, char axis) {
  uint64_t step = 1;
  for (const char faster : layout.order) {
    if (faster == axis) break;
    step *= faster == 'Z' ? layout.z : faster == 'C' ? layout.c : layout.t;
  }
  return step;
}

// True if every <TiffData> says what the dimension order says anyway.
bool planes_are_in_order(std::string_view xml, size_t from, const Layout& layout) {
  while (true) {
    const std::string_view data = xml_element(xml, "TiffData", from);
    if (data.empty()) return true;
    const auto directory = to_count(xml_attribute(data, "IFD"));
    if (!directory) continue;
    uint64_t expected = 0;
    for (const char axis : layout.order) {
      expected += to_count(xml_attribute(data, fmt::format("First{}", axis))).value_or(0) *
                  step_of(layout, axis);
    }
    if (*directory != expected) return false;
  }
}

Result<Layout> layout_from_ome_xml(std::string_view xml, size_t pages, const std::string& path) {
  Layout layout;
  size_t at = 0;
  const std::string_view pixels = xml_element(xml, "Pixels", at);
  const auto order = xml_attribute(pixels, "DimensionOrder");
  const auto t = to_count(xml_attribute(pixels, "SizeT"));
  const auto c = to_count(xml_attribute(pixels, "SizeC"));
  const auto z = to_count(xml_attribute(pixels, "SizeZ"));
  if (!order || order->size() != 5 || !t || !c || !z || *t == 0 || *c == 0 || *z == 0) {
    return Error(std::errc::invalid_argument,
                 path + ": its OME-XML has no complete Pixels element");
  }
  layout.order = order->substr(2);
  std::string sorted = layout.order;
  std::sort(sorted.begin(), sorted.end());
  if (sorted != "CTZ")
    return Error(std::errc::invalid_argument, path + ": its OME-XML has an unknown DimensionOrder");
  layout.t = *t;
  layout.c = *c;
  layout.z = *z;
  const uint64_t planes = layout.t * layout.c * layout.z;
  if (planes != pages) {
    return Error(std::errc::not_supported,
                 fmt::format("{} has {} pages, but its OME-XML describes {} planes: OME-TIFF sets "
                             "of several files, or "
                             "several images in one file, are not supported yet",
                             path, pages, planes));
  }
  if (!planes_are_in_order(xml, at, layout)) {
    return Error(std::errc::not_supported,
                 path + ": its OME-XML stores the planes out of order, which is not supported");
  }
  return layout;
}

// ImageJ's description has lines such as "slices=12"; planes are in the order channel, slice,
// frame.
Result<Layout> layout_from_imagej(std::string_view text, size_t pages, const std::string& path) {
  const auto value = [text](std::string_view key) -> std::optional<uint64_t> {
    const size_t at = text.find(fmt::format("\n{}=", key));
    if (at == std::string_view::npos) return std::nullopt;
    const std::string_view rest = text.substr(at + key.size() + 2);
    return to_count(rest.substr(0, rest.find_first_of("\r\n")));
  };
  Layout layout;
  layout.order = "CZT";
  layout.c = std::max<uint64_t>(1, value("channels").value_or(1));
  layout.t = std::max<uint64_t>(1, value("frames").value_or(1));
  const uint64_t images = value("images").value_or(1);
  layout.z = std::max<uint64_t>(1, value("slices").value_or(images));
  if (images > pages) {
    return Error(std::errc::not_supported,
                 fmt::format("{} is an ImageJ stack of {} images with only {} directories, which "
                             "is not supported: save "
                             "it as OME-TIFF or OME-Zarr",
                             path, images, pages));
  }
  // Other programs leave the description in place when they take pages out.
  if (layout.t * layout.c * layout.z != pages) return Layout{1, 1, pages, "ZCT"};
  return layout;
}

Result<Layout> find_layout(const std::string& description, size_t pages, const std::string& path) {
  if (description.find("<OME") != std::string::npos &&
      description.find("<Pixels") != std::string::npos) {
    return layout_from_ome_xml(description, pages, path);
  }
  if (description.starts_with("ImageJ=")) return layout_from_imagej(description, pages, path);
  return Layout{1, 1, pages, "ZCT"};
}

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
  const std::string description = pages.front().description;
  if (!pages.front().reduced)
    std::erase_if(pages, [](const TiffDirectory& page) { return page.reduced; });
  TRY(check_pages_are_equal(pages, path));
  TRY_ASSIGN(const Layout layout, find_layout(description, pages.size(), path));
  if (layout.t > 1) dataset.axes.push_back(Axis::t);
  if (layout.c > 1) dataset.axes.push_back(Axis::c);
  if (layout.z > 1) dataset.axes.push_back(Axis::z);
  dataset.axes.insert(dataset.axes.end(), {Axis::y, Axis::x});
  dataset.page_step_t = step_of(layout, 'T');
  dataset.page_step_c = step_of(layout, 'C');
  dataset.page_step_z = step_of(layout, 'Z');
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
  dataset.levels.push_back(std::move(level));
  return dataset;
}

size_t page_number(const Dataset& dataset, uint64_t t, uint64_t c, uint64_t z) {
  return t * dataset.page_step_t + c * dataset.page_step_c + z * dataset.page_step_z;
}

}  // namespace tierhub::formats
