#include "formats/tiff_description.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <string_view>

#include <fmt/format.h>

#include "formats/json.h"
#include "formats/ome_xml.h"

namespace tierhub::formats {
namespace {

std::optional<uint64_t> to_count(std::optional<std::string_view> text) {
  uint64_t value = 0;
  if (!text) return std::nullopt;
  const auto [end, failure] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (failure != std::errc() || end != text->data() + text->size() || value > kMaxTiffPages)
    return std::nullopt;
  return value;
}

// A length that makes sense, or nothing.
std::optional<double> to_size(std::optional<std::string_view> text) {
  double value = 0;
  if (!text) return std::nullopt;
  const auto [end, failure] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (failure != std::errc() || !(value > 0 && value < 1e12)) return std::nullopt;
  return value;
}

Error contradiction(const std::string& path, std::string_view program, std::string_view what) {
  return Error(std::errc::not_supported,
               fmt::format("{}: its {} description contradicts the file: {}. Save it again, or "
                           "convert it to OME-Zarr",
                           path, program, what));
}

// The lines "key=value" of an ImageJ description; nothing if the text is none.
std::optional<std::map<std::string_view, std::string_view>> imagej_lines(std::string_view text) {
  std::map<std::string_view, std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(std::string_view("\r\n\0", 3)), text.size());
    const std::string_view line = text.substr(0, end);
    const size_t equals = line.find('=');
    if (equals != std::string_view::npos)
      lines.emplace(line.substr(0, equals), line.substr(equals + 1));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (!lines.contains("ImageJ")) return std::nullopt;
  return lines;
}

class ImageJDescription {
 public:
  ImageJDescription(std::map<std::string_view, std::string_view> lines, const std::string& path)
      : lines_(std::move(lines)), path_(path) {}

  // Planes are in the order channel, slice, frame.
  Result<TiffLayout> layout(const TiffDirectory& first, size_t pages) const {
    TRY_ASSIGN(const auto images, count("images"));
    TRY_ASSIGN(const auto c, count("channels"));
    TRY_ASSIGN(const auto z, count("slices"));
    TRY_ASSIGN(const auto t, count("frames"));
    TiffLayout layout;
    layout.order = "CZT";
    read_voxel_size(first, layout);
    layout.c = c.value_or(1);
    layout.z = z.value_or(1);
    layout.t = t.value_or(1);
    if (!c && !z && !t) {
      layout.z = images.value_or(pages);
      layout.z_assumed = layout.z > 1;
    }
    // Channels may be the samples of a voxel.
    const bool counts_samples =
        first.samples > 1 && layout.c == first.samples && layout.planes() == pages * first.samples;
    if (counts_samples) layout.c = 1;
    const uint64_t planes = layout.planes();
    if (!counts_samples && planes != images.value_or(planes)) {
      return contradiction(path_, "ImageJ",
                           fmt::format("{} channels x {} slices x {} frames are not {} images",
                                       layout.c, layout.z, layout.t, *images));
    }
    if (planes > 1 && pages == 1) {
      // ImageJ writes stacks beyond 4 GiB so.
      layout.contiguous = true;
      return layout;
    }
    if (planes != pages) {
      return contradiction(
          path_, "ImageJ",
          fmt::format("it describes {} images, but there are {} pages", planes, pages));
    }
    return layout;
  }

 private:
  Result<std::optional<uint64_t>> count(std::string_view key) const {
    const auto line = lines_.find(key);
    if (line == lines_.end()) return std::nullopt;
    const auto value = to_count(line->second);
    if (value && *value > 0) return value;
    return contradiction(path_, "ImageJ", fmt::format("{}={} is not a count", key, line->second));
  }

  void read_voxel_size(const TiffDirectory& first, TiffLayout& layout) const {
    const auto unit = lines_.find("unit");
    if (unit == lines_.end() || !(first.x_resolution > 0) || !(first.y_resolution > 0)) return;
    const auto spacing = lines_.find("spacing");
    const auto z = spacing == lines_.end() ? std::nullopt : to_size(spacing->second);
    layout.voxel_size = VoxelSize{z.value_or(1), 1 / first.y_resolution, 1 / first.x_resolution};
    layout.unit = unit_name(unit->second);
  }

  std::map<std::string_view, std::string_view> lines_;
  const std::string& path_;
};

// tifffile writes {"shape": [3, 4, 61, 57], "axes": "CZYX"}. Nothing if the text is not that, or
// has an axis that means nothing here.
Result<std::optional<TiffLayout>> layout_from_tifffile(std::string_view text,
                                                       const TiffDirectory& first, size_t pages,
                                                       const std::string& path) {
  text = text.substr(0, text.find('\0'));
  if (!text.starts_with('{')) return std::nullopt;
  const auto json = parse_json(text, path);
  if (!json) return std::nullopt;
  const auto shape = get_unsigned_list(*json, "shape");
  const auto axes = get_text(*json, "axes");
  if (!shape || !axes || shape->size() != axes->size()) return std::nullopt;
  TiffLayout layout;
  layout.order.clear();
  for (size_t i = axes->size(); i-- > 0;) {
    const char axis = (*axes)[i];
    const uint64_t size = (*shape)[i];
    if (axis == 'Y' || axis == 'X' || axis == 'S') continue;
    if (std::string_view("TCZ").find(axis) == std::string_view::npos || size == 0 ||
        size > kMaxTiffPages || layout.order.find(axis) != std::string::npos)
      return std::nullopt;
    (axis == 'T' ? layout.t : axis == 'C' ? layout.c : layout.z) = size;
    layout.order += axis;
  }
  for (const char axis : {'Z', 'C', 'T'}) {
    if (layout.order.find(axis) == std::string::npos) layout.order += axis;
  }
  // Channels may be the samples of a voxel.
  if (first.samples > 1 && layout.c == first.samples) layout.c = 1;
  const Json* truncated = find_member(*json, "truncated");
  layout.contiguous =
      pages == 1 && layout.planes() > 1 && truncated != nullptr && *truncated == true;
  if (layout.contiguous || layout.planes() == pages) return layout;
  return contradiction(
      path, "tifffile",
      fmt::format("it describes {} planes, but there are {} pages", layout.planes(), pages));
}

TiffLayout assumed(size_t pages) {
  TiffLayout layout;
  layout.z = pages;
  layout.z_assumed = pages > 1;
  return layout;
}

}  // namespace

uint64_t TiffLayout::step(char axis) const {
  uint64_t pages = 1;
  for (const char faster : order) {
    if (faster == axis) break;
    pages *= faster == 'Z' ? z : faster == 'C' ? c : t;
  }
  return pages;
}

Result<TiffLayout> read_tiff_layout(const TiffDirectory& first, size_t pages,
                                    const std::string& path) {
  for (const std::string& text : first.descriptions) {
    if (auto lines = imagej_lines(text))
      return ImageJDescription(*std::move(lines), path).layout(first, pages);
  }
  for (const std::string& text : first.descriptions) {
    TRY_ASSIGN(auto layout, layout_from_tifffile(text, first, pages, path));
    if (layout) return *std::move(layout);
  }
  return assumed(pages);
}

}  // namespace tierhub::formats
