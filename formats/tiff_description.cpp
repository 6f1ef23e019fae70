#include "formats/tiff_description.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <string_view>

#include <fmt/format.h>

#include "formats/json.h"

namespace tierhub::formats {
namespace {

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

// A length that makes sense, or nothing.
std::optional<double> to_size(std::optional<std::string_view> text) {
  double value = 0;
  if (!text) return std::nullopt;
  const auto [end, failure] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (failure != std::errc() || !(value > 0 && value < 1e12)) return std::nullopt;
  return value;
}

// One spelling of the units that microscopes use.
std::string unit_name(std::string_view unit) {
  constexpr std::array kMicrometer = {"µm", "\\u00B5m", "um", "micron", "microns", "\xB5m"};
  if (std::find(kMicrometer.begin(), kMicrometer.end(), unit) != kMicrometer.end())
    return "micrometer";
  if (unit == "nm") return "nanometer";
  return std::string(unit);
}

// The names of the channels of the image that begins at `from`; empty if none has a name.
std::vector<std::string> ome_channel_names(std::string_view xml, size_t from, uint64_t channels) {
  const size_t end = std::min(xml.find("</Pixels", from), xml.size());
  std::vector<std::string> names(channels);
  bool any = false;
  for (std::string& name : names) {
    const std::string_view channel = xml_element(xml.substr(0, end), "Channel", from);
    if (channel.empty()) break;
    name = xml_attribute(channel, "Name").value_or("");
    any = any || !name.empty();
  }
  return any ? names : std::vector<std::string>();
}

void read_ome_voxel_size(std::string_view pixels, TiffLayout& layout) {
  const auto size = [pixels](char axis) {
    return to_size(xml_attribute(pixels, fmt::format("PhysicalSize{}", axis)));
  };
  const auto y = size('Y');
  const auto x = size('X');
  if (!y || !x) return;
  layout.voxel_size = VoxelSize{size('Z').value_or(1), *y, *x};
  layout.unit = unit_name(xml_attribute(pixels, "PhysicalSizeXUnit").value_or("µm"));
}

// True if every <TiffData> says what the dimension order says anyway.
bool planes_are_in_order(std::string_view xml, size_t from, const TiffLayout& layout) {
  while (true) {
    const std::string_view data = xml_element(xml, "TiffData", from);
    if (data.empty()) return true;
    const auto directory = to_count(xml_attribute(data, "IFD"));
    if (!directory) continue;
    uint64_t expected = 0;
    for (const char axis : layout.order) {
      expected += to_count(xml_attribute(data, fmt::format("First{}", axis))).value_or(0) *
                  layout.step(axis);
    }
    if (*directory != expected) return false;
  }
}

Result<TiffLayout> layout_from_ome_xml(std::string_view xml, const TiffDirectory& first,
                                       size_t pages, const std::string& path) {
  TiffLayout layout;
  size_t at = 0;
  const std::string_view pixels = xml_element(xml, "Pixels", at);
  if (pixels.empty()) {
    return Error(std::errc::not_supported,
                 path +
                     ": its OME-XML has no Pixels: they are described in another file, which is "
                     "not supported yet");
  }
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
  // The colours inside a pixel are counted too, though they are no pages.
  const bool has_colours = first.samples > 1 && *c % first.samples == 0;
  layout.c = has_colours ? *c / first.samples : *c;
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
  layout.channel_names = ome_channel_names(xml, at, layout.c);
  read_ome_voxel_size(pixels, layout);
  return layout;
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
    const uint64_t planes = layout.c * layout.z * layout.t;
    if (planes != images.value_or(planes)) {
      return contradiction(path_, "ImageJ",
                           fmt::format("{} channels x {} slices x {} frames are not {} images",
                                       layout.c, layout.z, layout.t, *images));
    }
    if (planes > 1 && pages == 1) {
      return Error(std::errc::not_supported,
                   fmt::format("{} is an ImageJ stack of {} images with a single directory, which "
                               "is not supported: save it as OME-TIFF or OME-Zarr",
                               path_, planes));
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
Result<std::optional<TiffLayout>> layout_from_tifffile(std::string_view text, size_t pages,
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
  if (layout.t * layout.c * layout.z == pages) return layout;
  return contradiction(path, "tifffile",
                       fmt::format("it describes {} planes, but there are {} pages",
                                   layout.t * layout.c * layout.z, pages));
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
    if (text.find("<OME") == std::string::npos) continue;
    if (pages > 1 || text.find("<Pixels") != std::string::npos)
      return layout_from_ome_xml(text, first, pages, path);
  }
  // Colours inside a pixel count as channels there, but are no pages. Such pages are not decoded.
  if (first.samples > 1) return assumed(pages);
  for (const std::string& text : first.descriptions) {
    if (auto lines = imagej_lines(text))
      return ImageJDescription(*std::move(lines), path).layout(first, pages);
  }
  for (const std::string& text : first.descriptions) {
    TRY_ASSIGN(auto layout, layout_from_tifffile(text, pages, path));
    if (layout) return *std::move(layout);
  }
  return assumed(pages);
}

}  // namespace tierhub::formats
