#include "formats/dataset.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "formats/ome_zarr.h"
#include "formats/tiff.h"

namespace tierhub::formats {
namespace {

using namespace std::string_view_literals;

Error unsupported(std::string_view format, const std::string& path, std::string_view hint) {
  return Error(std::errc::not_supported,
               fmt::format("{} is {}, which is not supported yet: {}", path, format, hint));
}

constexpr std::string_view kConvert = "convert it to OME-Zarr 0.4 or a grey TIFF stack";

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
    Magic{0, "\x89HDF\r\n\x1A\n"sv, "an HDF5 file (Imaris, BigDataViewer)"},
    Magic{208, "MAP "sv, "an MRC file"},
    Magic{0, "\x89PNG"sv, "a PNG file"},
    Magic{0, "\xFF\xD8\xFF"sv, "a JPEG file"},
    Magic{0, "PK\x03\x04"sv, "a zip archive"},
    Magic{0, "\xD0\xCF\x11\xE0"sv, "an OLE file (OIB, ZVI or an old Office format)"},
    Magic{0, "%PDF"sv, "a PDF file"},
};

Result<Dataset> open_file(const FileTree& tree, const std::string& path) {
  std::string head(512, '\0');
  TRY_ASSIGN(const size_t got, tree.read_at("", std::as_writable_bytes(std::span(head)), 0));
  head.resize(got);
  if (is_tiff_header(head)) return open_tiff(tree, path);
  if (head.empty()) return Error(std::errc::invalid_argument, path + " is empty");
  for (const Magic& magic : kKnown) {
    if (head.size() > magic.offset_bytes &&
        std::string_view(head).substr(magic.offset_bytes).starts_with(magic.bytes)) {
      return unsupported(magic.format, path, kConvert);
    }
  }
  return unsupported("of an unknown format", path, kConvert);
}

Result<void> check_range(std::string_view name, const AxisRange& range, uint64_t size,
                         const std::string& path) {
  if (!range.empty() && range.end <= size) return {};
  return Error(std::errc::invalid_argument,
               fmt::format("{} is not in {}, which has only {}", to_words(name, range), path,
                           to_words(name, {0, size})));
}

}  // namespace

Result<Dataset> open_dataset(const FileTree& tree, const std::string& path) {
  if (!tree.is_folder()) return open_file(tree, path);
  TRY_ASSIGN(const bool is_zarr, looks_like_zarr(tree));
  if (!is_zarr) {
    return unsupported("a folder without Zarr metadata", path,
                       "name an OME-Zarr folder or one TIFF file");
  }
  return open_ome_zarr(tree, path);
}

Result<Dataset> open_dataset(const std::string& path) {
  TRY_ASSIGN(const PosixTree tree, PosixTree::open(path));
  return open_dataset(tree, path);
}

Result<void> check_box(const Dataset& dataset, const Box& box) {
  TRY(check_range("level", {box.level, box.level + 1}, dataset.levels.size(), dataset.path));
  const Shape& shape = dataset.levels[box.level].shape;
  TRY(check_range("t", {box.t, box.t + 1}, shape.t, dataset.path));
  TRY(check_range("c", {box.c, box.c + 1}, shape.c, dataset.path));
  TRY(check_range("z", box.z, shape.z, dataset.path));
  TRY(check_range("y", box.y, shape.y, dataset.path));
  return check_range("x", box.x, shape.x, dataset.path);
}

Result<Box> whole_volume(const Dataset& dataset, uint64_t level, uint64_t t, uint64_t c) {
  Box box{level, t, c, {0, 1}, {0, 1}, {0, 1}};
  TRY(check_box(dataset, box));
  const Shape& shape = dataset.levels[level].shape;
  box.z = {0, shape.z};
  box.y = {0, shape.y};
  box.x = {0, shape.x};
  return box;
}

std::vector<Axis> Dataset::sorted_axes() const {
  std::vector<Axis> sorted = axes;
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

std::string Dataset::axes_text() const {
  std::string text;
  for (const Axis axis : sorted_axes()) text += to_letter(axis);
  return text;
}

bool Dataset::has_axis(Axis axis) const {
  return std::find(axes.begin(), axes.end(), axis) != axes.end();
}

std::string_view to_text(Kind kind) {
  switch (kind) {
    case Kind::ome_zarr:
      return "OME-Zarr";
    case Kind::tiff:
      return "TIFF";
  }
  return "";
}

std::string_view to_text(PixelType type) {
  switch (type) {
    case PixelType::uint8:
      return "uint8";
    case PixelType::uint16:
      return "uint16";
    case PixelType::uint32:
      return "uint32";
    case PixelType::other:
      return "other";
  }
  return "";
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

}  // namespace tierhub::formats
