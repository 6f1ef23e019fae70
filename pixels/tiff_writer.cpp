#include "pixels/tiff_writer.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "pixels/open_tiff.h"

namespace tierhub::pixels {
namespace {

using formats::AxisRange;
using formats::ImageInfo;
using formats::PixelType;
using formats::Region;
using formats::Shape;

constexpr uint32_t kTile = 512;

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        if (static_cast<unsigned char>(c) >= ' ') out += c;
    }
  }
  return out;
}

// As the schema of 2016-06 calls it; empty: it has no such type.
std::string ome_type(PixelType type) {
  switch (type) {
    case PixelType::float32:
      return "float";
    case PixelType::float64:
      return "double";
    case PixelType::uint64:
    case PixelType::int64:
    case PixelType::other:
      return "";
    default:
      return std::string(to_text(type));
  }
}

std::string ome_unit(const std::string& unit) {
  if (unit == "micrometer") return "µm";
  if (unit == "nanometer") return "nm";
  if (unit == "angstrom") return "Å";
  if (unit == "millimeter") return "mm";
  return unit.empty() ? "pixel" : unit;
}

std::string ome_xml(const ImageInfo& info) {
  const formats::Level& level = info.levels.front();
  const Shape& shape = level.shape;
  std::string pixels = fmt::format(
      R"(<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="{}" SizeX="{}" SizeY="{}" SizeZ="{}" SizeC="{}" SizeT="{}")",
      ome_type(info.type), shape.x, shape.y, shape.z, shape.c, shape.t);
  if (level.voxel_size_known) {
    const std::string unit = escaped(ome_unit(info.voxel_unit));
    pixels += fmt::format(
        R"( PhysicalSizeX="{0}" PhysicalSizeXUnit="{3}" PhysicalSizeY="{1}" PhysicalSizeYUnit="{3}" PhysicalSizeZ="{2}" PhysicalSizeZUnit="{3}")",
        level.voxel_size.x, level.voxel_size.y, level.voxel_size.z, unit);
  }
  pixels += ">";
  for (uint64_t c = 0; c < shape.c; ++c) {
    pixels += fmt::format(R"(<Channel ID="Channel:0:{}" SamplesPerPixel="1")", c);
    if (c < info.channels.size()) {
      const formats::Channel& channel = info.channels[c];
      if (!channel.name.empty()) pixels += fmt::format(R"( Name="{}")", escaped(channel.name));
      // A signed number RRGGBBAA.
      if (channel.colour)
        pixels += fmt::format(R"( Color="{}")", static_cast<int32_t>(*channel.colour << 8 | 0xFF));
    }
    pixels += "/>";
  }
  return fmt::format(
      R"(<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" )"
      R"(xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" )"
      R"(xsi:schemaLocation="http://www.openmicroscopy.org/Schemas/OME/2016-06 http://www.openmicroscopy.org/Schemas/OME/2016-06/ome.xsd">)"
      R"(<Image ID="Image:0">{}<TiffData/></Pixels></Image></OME>)",
      pixels);
}

class Writer {
 public:
  Writer(const PixelReader& image, size_t levels, const std::string& path)
      : image_(image), levels_(levels), path_(path) {}

  Result<void> write() {
    const TiffOptions options = quiet_tiff_options(complaint_);
    tiff_.reset(TIFFOpenExt(path_.c_str(), "w8l", options.get()));
    if (!tiff_) return failed();
    const Shape& shape = image_.levels().front().shape;
    for (uint64_t t = 0; t < shape.t; ++t)
      for (uint64_t c = 0; c < shape.c; ++c)
        for (uint64_t z = 0; z < shape.z; ++z) TRY(write_page(t, c, z));
    tiff_.reset();
    return complaint_.empty() ? Result<void>() : failed();
  }

 private:
  Error failed() const {
    return Error(std::errc::io_error, fmt::format("{} cannot be written: {}", path_, complaint_));
  }

  // A plane in all levels.
  Result<void> write_page(uint64_t t, uint64_t c, uint64_t z) {
    for (uint64_t level = 0; level < levels_; ++level) {
      const Shape& shape = image_.levels()[level].shape;
      set_tags(shape);
      if (level > 0) TIFFSetField(tiff_.get(), TIFFTAG_SUBFILETYPE, FILETYPE_REDUCEDIMAGE);
      if (level == 0) set_tags_of_page(t == 0 && c == 0 && z == 0);
      TRY(write_plane({level, {t, t + 1}, {c, c + 1}, {z, z + 1}, {0, shape.y}, {0, shape.x}}));
      if (TIFFWriteDirectory(tiff_.get()) == 0) return failed();
    }
    return {};
  }

  void set_tags_of_page(bool first) {
    if (first) TIFFSetField(tiff_.get(), TIFFTAG_IMAGEDESCRIPTION, ome_xml(image_.info()).c_str());
    // libtiff fills in the places of as many directories that follow.
    const std::vector<uint64_t> places(levels_ - 1);
    if (!places.empty())
      TIFFSetField(tiff_.get(), TIFFTAG_SUBIFD, static_cast<uint16_t>(places.size()),
                   places.data());
  }

  void set_tags(const Shape& shape) {
    const PixelType type = image_.info().type;
    TIFF* tiff = tiff_.get();
    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, static_cast<uint32_t>(shape.x));
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, static_cast<uint32_t>(shape.y));
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, static_cast<int>(formats::bytes_of(type) * 8));
    TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 1);
    TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT,
                 formats::is_float(type)    ? SAMPLEFORMAT_IEEEFP
                 : formats::is_signed(type) ? SAMPLEFORMAT_INT
                                            : SAMPLEFORMAT_UINT);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
    TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
    TIFFSetField(tiff, TIFFTAG_COMPRESSION, COMPRESSION_ADOBE_DEFLATE);
    if (!formats::is_float(type) && formats::bytes_of(type) < 8)
      TIFFSetField(tiff, TIFFTAG_PREDICTOR, PREDICTOR_HORIZONTAL);
    TIFFSetField(tiff, TIFFTAG_TILEWIDTH, kTile);
    TIFFSetField(tiff, TIFFTAG_TILELENGTH, kTile);
  }

  Result<void> write_plane(const Region& plane) {
    const PixelType type = image_.info().type;
    const uint64_t bytes = formats::bytes_of(type);
    uint32_t number = 0;
    for (uint64_t y = 0; y < plane.y.end; y += kTile) {
      for (uint64_t x = 0; x < plane.x.end; x += kTile) {
        Region part = plane;
        part.y = {y, std::min(y + kTile, plane.y.end)};
        part.x = {x, std::min(x + kTile, plane.x.end)};
        std::vector<std::byte> voxels(part.shape().voxels() * bytes);
        TRY(image_.read(part, type, voxels));
        std::vector<std::byte> tile(size_t{kTile} * kTile * bytes);
        for (uint64_t row = 0; row < part.y.size(); ++row)
          std::memcpy(&tile[row * kTile * bytes], &voxels[row * part.x.size() * bytes],
                      part.x.size() * bytes);
        if (TIFFWriteEncodedTile(tiff_.get(), number++, tile.data(),
                                 static_cast<tmsize_t>(tile.size())) < 0)
          return failed();
      }
    }
    return {};
  }

  const PixelReader& image_;
  const size_t levels_;
  const std::string& path_;
  std::string complaint_;
  OpenTiff tiff_;
};

}  // namespace

Result<void> write_ome_tiff(const PixelReader& image, size_t levels, const std::string& path) {
  const ImageInfo& info = image.info();
  if (ome_type(info.type).empty()) {
    return Error(
        std::errc::not_supported,
        fmt::format("{} has pixels of type {}, which OME-TIFF does not know: convert it to "
                    "OME-Zarr",
                    info.path, info.type_name));
  }
  return Writer(image, levels, path).write();
}

}  // namespace tierhub::pixels
