#include "formats/ome_xml.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>
#include <pugixml.hpp>

namespace tierhub::formats {
namespace {

constexpr uint64_t kMaxCount = 1'000'000'000;
constexpr size_t kMaxImages = 10'000;
constexpr size_t kMaxPlaneElements = 4'000'000;

std::optional<uint64_t> to_count(const pugi::xml_attribute& attribute) {
  const std::string_view text = attribute.value();
  uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (!attribute || failure != std::errc() || end != text.data() + text.size() || value > kMaxCount)
    return std::nullopt;
  return value;
}

// A length that makes sense, or nothing.
std::optional<double> to_size(const pugi::xml_attribute& attribute) {
  const std::string_view text = attribute.value();
  double value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || !(value > 0 && value < 1e12)) return std::nullopt;
  return value;
}

// The name of an element or an attribute without its namespace.
std::string_view local_name(std::string_view name) {
  const size_t colon = name.rfind(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

pugi::xml_node child(const pugi::xml_node& node, std::string_view name) {
  return node.find_child(
      [name](const pugi::xml_node& one) { return local_name(one.name()) == name; });
}

template <class Use>
void for_each_child(const pugi::xml_node& node, std::string_view name, Use&& use) {
  for (const pugi::xml_node& one : node.children()) {
    if (local_name(one.name()) == name) use(one);
  }
}

// A signed number RRGGBBAA.
std::optional<uint32_t> to_colour(const pugi::xml_attribute& attribute) {
  const std::string_view text = attribute.value();
  int64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return static_cast<uint32_t>(value) >> 8;
}

class Parser {
 public:
  explicit Parser(const std::string& path) : path_(path) {}

  Result<OmeXml> parse(std::string_view xml) {
    pugi::xml_document document;
    const auto status = document.load_buffer(xml.data(), xml.size(), pugi::parse_default);
    if (!status) return damaged(fmt::format("is no XML: {}", status.description()));
    const pugi::xml_node root = document.document_element();
    if (local_name(root.name()) != "OME") return damaged("has no element OME");
    own_uuid_ = root.attribute("UUID").value();
    OmeXml result;
    if (const auto elsewhere = child(root, "BinaryOnly")) {
      result.metadata_file = elsewhere.attribute("MetadataFile").value();
      TRY(check_name(result.metadata_file));
    }
    for (const pugi::xml_node& image : root.children()) {
      if (local_name(image.name()) != "Image") continue;
      if (result.images.size() == kMaxImages) return damaged("describes too many images");
      const pugi::xml_node pixels = child(image, "Pixels");
      if (!pixels) continue;
      TRY_ASSIGN(OmeImage one, read_pixels(pixels));
      result.images.push_back(std::move(one));
    }
    return result;
  }

 private:
  Error damaged(std::string_view why) const {
    return Error(std::errc::invalid_argument, fmt::format("{}: its OME-XML {}", path_, why));
  }

  // The name of a file in the same folder.
  Result<void> check_name(const std::string& name) const {
    if (!name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos)
      return {};
    return damaged(fmt::format("names the file \"{}\", which is not in the same folder", name));
  }

  Result<OmeImage> read_pixels(const pugi::xml_node& pixels) {
    OmeImage image;
    const auto t = to_count(pixels.attribute("SizeT")), c = to_count(pixels.attribute("SizeC")),
               z = to_count(pixels.attribute("SizeZ"));
    const std::string order = pixels.attribute("DimensionOrder").value();
    if (!t || !c || !z || *t == 0 || *c == 0 || *z == 0 || order.size() != 5)
      return damaged("has no complete Pixels element");
    image.order = order.substr(2);
    std::string sorted = image.order;
    std::sort(sorted.begin(), sorted.end());
    if (sorted != "CTZ" || !order.starts_with("XY"))
      return damaged("has an unknown DimensionOrder");
    image.t = *t;
    image.c = *c;
    image.z = *z;
    image.y = to_count(pixels.attribute("SizeY")).value_or(0);
    image.x = to_count(pixels.attribute("SizeX")).value_or(0);
    read_channels(pixels, image);
    read_voxel_size(pixels, image);
    for (const pugi::xml_node& data : pixels.children()) {
      if (local_name(data.name()) != "TiffData") continue;
      if (image.planes.size() == kMaxPlaneElements)
        return damaged("has too many TiffData elements");
      TRY_ASSIGN(OmePlanes planes, read_planes(data));
      image.planes.push_back(std::move(planes));
    }
    return image;
  }

  Result<OmePlanes> read_planes(const pugi::xml_node& data) const {
    OmePlanes planes;
    const auto page = to_count(data.attribute("IFD"));
    planes.page = page.value_or(0);
    planes.t = to_count(data.attribute("FirstT")).value_or(0);
    planes.c = to_count(data.attribute("FirstC")).value_or(0);
    planes.z = to_count(data.attribute("FirstZ")).value_or(0);
    planes.count = to_count(data.attribute("PlaneCount"));
    if (!planes.count && page) planes.count = 1;
    // A file that was renamed is still known by its UUID.
    const pugi::xml_node uuid = child(data, "UUID");
    if (!uuid || (!own_uuid_.empty() && own_uuid_ == uuid.text().get())) return planes;
    planes.file = uuid.attribute("FileName").value();
    if (planes.file.empty()) {
      return Error(std::errc::not_supported,
                   path_ + ": its OME-XML has planes in a file whose name it does not give");
    }
    TRY(check_name(planes.file));
    return planes;
  }

  // Empty if nothing is said about any of them.
  static void read_channels(const pugi::xml_node& pixels, OmeImage& image) {
    bool any = false;
    for_each_child(pixels, "Channel", [&](const pugi::xml_node& channel) {
      const uint64_t samples = to_count(channel.attribute("SamplesPerPixel")).value_or(1);
      Channel one{channel.attribute("Name").value(), to_colour(channel.attribute("Color"))};
      any = any || !one.name.empty() || one.colour;
      for (uint64_t i = 0; i < samples && image.channels.size() < image.c; ++i)
        image.channels.push_back(one);
    });
    if (!any || image.channels.size() != image.c) image.channels.clear();
  }

  static void read_voxel_size(const pugi::xml_node& pixels, OmeImage& image) {
    const auto y = to_size(pixels.attribute("PhysicalSizeY"));
    const auto x = to_size(pixels.attribute("PhysicalSizeX"));
    const auto z = to_size(pixels.attribute("PhysicalSizeZ"));
    if (!y || !x) return;
    image.voxel_size = VoxelSize{z.value_or(1), *y, *x};
    const auto unit = pixels.attribute("PhysicalSizeXUnit");
    image.unit = unit_name(unit ? unit.value() : "µm");
  }

  const std::string& path_;
  std::string own_uuid_;
};

}  // namespace

Result<OmeXml> parse_ome_xml(std::string_view xml, const std::string& path) {
  // A description ends with a 0.
  return Parser(path).parse(xml.substr(0, xml.find('\0')));
}

bool is_ome_xml(std::string_view text) {
  const size_t root = text.substr(0, 4096).find("<OME");
  const size_t prefixed = text.substr(0, 4096).find(":OME");
  return text.find('<') < 16 &&
         (root != std::string_view::npos || prefixed != std::string_view::npos);
}

std::string unit_name(std::string_view unit) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kSpellings = {{
      {"µm", "micrometer"},
      {"\u03BCm", "micrometer"},
      {"\\u00B5m", "micrometer"},
      {"um", "micrometer"},
      {"micron", "micrometer"},
      {"microns", "micrometer"},
      {"\xB5m", "micrometer"},
      {"nm", "nanometer"},
      {"\u212B", "angstrom"},
  }};
  for (const auto& [spelling, name] : kSpellings) {
    if (spelling == unit) return std::string(name);
  }
  return std::string(unit);
}

}  // namespace tierhub::formats
