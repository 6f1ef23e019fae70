// TIFF files, written by libtiff.
#include <algorithm>
#include <bit>

#include <fmt/format.h>
#include <tiffio.h>

#include "tests/unit/formats/samples.h"
#include "tests/unit/pixels/samples.h"

namespace tierhub::test {
namespace {

using formats::PixelType;
using formats::Shape;

struct Tiff {
  const char* mode = "wl";
  uint16_t compression = COMPRESSION_NONE;
  uint16_t predictor = 1;
  bool tiled = false;
  uint32_t rows_per_strip = 16;
  uint16_t bits = 16;
  uint16_t format = SAMPLEFORMAT_UINT;
  uint16_t photometric = PHOTOMETRIC_MINISBLACK;
  uint16_t samples = 1;
  bool apart = false;
  std::string description;
  uint64_t constant = 0;         // of all voxels, if it is not 0
  Shape shape{1, 1, 3, 50, 70};  // pages along t, c, z in this order
};

// The low `bits` of the number, as the file has it.
uint64_t stored_number(const Tiff& tiff, uint64_t t, uint64_t c, uint64_t z, uint64_t y,
                       uint64_t x) {
  if (tiff.constant != 0) return tiff.constant;
  if (tiff.format == SAMPLEFORMAT_IEEEFP) {
    if (tiff.bits == 64) return std::bit_cast<uint64_t>(voxel_at<double>(t, c, z, y, x));
    const auto value = voxel_at<float>(t, c, z, y, x);
    return tiff.bits == 32 ? std::bit_cast<uint32_t>(value) : to_half(value);
  }
  const auto value = voxel_at<uint64_t>(t, c, z, y, x);
  return tiff.bits == 64 ? value : value & ((uint64_t{1} << tiff.bits) - 1);
}

// Rows of numbers, the highest bits first, each row on a new byte; numbers of whole bytes as the
// machine has them.
class Rows {
 public:
  explicit Rows(const Tiff& tiff) : tiff_(tiff) {}
  void put(uint64_t value) {
    if (tiff_.bits % 8 == 0 && tiff_.bits != 24) {
      bytes_ += bytes_of_number(value, false).substr(0, tiff_.bits / 8);
      return;
    }
    for (unsigned bit = tiff_.bits; bit-- > 0;) {
      if (at_ % 8 == 0) bytes_ += '\0';
      if ((value >> bit & 1) != 0)
        bytes_.back() = static_cast<char>(bytes_.back() | 1 << (7 - at_ % 8));
      ++at_;
    }
  }
  void end_row() { at_ = 0; }
  std::string bytes_;

 private:
  const Tiff& tiff_;
  unsigned at_ = 0;
};

std::string write(const Tiff& tiff) {
  const ScratchFolder folder;
  const std::string path = folder / "a.tif";
  TIFF* file = TIFFOpen(path.c_str(), tiff.mode);
  const auto width = static_cast<uint32_t>(tiff.shape.x),
             height = static_cast<uint32_t>(tiff.shape.y);
  const uint64_t pages_c = tiff.shape.c / tiff.samples;
  bool first = true;
  for (uint64_t t = 0; t < tiff.shape.t; ++t)
    for (uint64_t c = 0; c < pages_c; ++c)
      for (uint64_t z = 0; z < tiff.shape.z; ++z) {
        TIFFSetField(file, TIFFTAG_IMAGEWIDTH, width);
        TIFFSetField(file, TIFFTAG_IMAGELENGTH, height);
        TIFFSetField(file, TIFFTAG_BITSPERSAMPLE, tiff.bits);
        TIFFSetField(file, TIFFTAG_SAMPLEFORMAT, tiff.format);
        TIFFSetField(file, TIFFTAG_SAMPLESPERPIXEL, tiff.samples);
        TIFFSetField(file, TIFFTAG_PHOTOMETRIC, tiff.photometric);
        TIFFSetField(file, TIFFTAG_COMPRESSION, tiff.compression);
        TIFFSetField(file, TIFFTAG_PLANARCONFIG,
                     tiff.apart ? PLANARCONFIG_SEPARATE : PLANARCONFIG_CONTIG);
        if (tiff.predictor != 1) TIFFSetField(file, TIFFTAG_PREDICTOR, tiff.predictor);
        if (tiff.photometric == PHOTOMETRIC_YCBCR)
          TIFFSetField(file, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
        if (tiff.photometric == PHOTOMETRIC_PALETTE) {
          std::vector<uint16_t> red(1u << tiff.bits), green(red), blue(red);
          for (size_t i = 0; i < red.size(); ++i) {
            red[i] = static_cast<uint16_t>(i * 256);
            green[i] = static_cast<uint16_t>((255 - i) * 256);
            blue[i] = 7 * 256;
          }
          TIFFSetField(file, TIFFTAG_COLORMAP, red.data(), green.data(), blue.data());
        }
        if (first && !tiff.description.empty())
          TIFFSetField(file, TIFFTAG_IMAGEDESCRIPTION, tiff.description.c_str());
        first = false;
        const uint32_t high = tiff.tiled ? 16 : tiff.rows_per_strip;
        const uint32_t wide = tiff.tiled ? 32 : width;
        if (tiff.tiled) {
          TIFFSetField(file, TIFFTAG_TILEWIDTH, wide);
          TIFFSetField(file, TIFFTAG_TILELENGTH, high);
        } else {
          TIFFSetField(file, TIFFTAG_ROWSPERSTRIP, high);
        }
        const uint64_t planes = tiff.apart ? tiff.samples : 1;
        const uint64_t together = tiff.apart ? 1 : tiff.samples;
        uint32_t number = 0;
        for (uint64_t plane = 0; plane < planes; ++plane)
          for (uint32_t top = 0; top < height; top += high)
            for (uint32_t left = 0; left < width; left += wide) {
              Rows rows(tiff);
              const uint32_t bottom = tiff.tiled ? top + high : std::min(top + high, height);
              for (uint32_t y = top; y < bottom; ++y, rows.end_row())
                for (uint32_t x = left; x < left + wide; ++x)
                  for (uint64_t s = 0; s < together; ++s)
                    rows.put(stored_number(tiff, t, c * tiff.samples + plane + s, z, y, x));
              const auto size = static_cast<tmsize_t>(rows.bytes_.size());
              if (tiff.tiled) {
                TIFFWriteEncodedTile(file, number++, rows.bytes_.data(), size);
              } else {
                TIFFWriteEncodedStrip(file, number++, rows.bytes_.data(), size);
              }
            }
        TIFFWriteDirectory(file);
      }
  TIFFClose(file);
  return read_bytes(path);
}

Sample sample_of(const std::string& name, PixelType type, const Tiff& tiff) {
  Sample sample{"Tiff" + name, type, tiff.shape, {{"a.tif", write(tiff)}}, "a.tif", {}};
  return sample;
}

// Values of `bits` bits.
Sample narrow(const std::string& name, PixelType type, const Tiff& tiff) {
  Sample sample = sample_of(name, type, tiff);
  sample.expected = [tiff](uint64_t t, uint64_t c, uint64_t z, uint64_t y, uint64_t x) {
    const uint64_t value = stored_number(tiff, t, c, z, y, x);
    if (tiff.format != SAMPLEFORMAT_INT || (value >> (tiff.bits - 1)) == 0)
      return static_cast<double>(value);
    return static_cast<double>(value) - static_cast<double>(uint64_t{1} << tiff.bits);
  };
  return sample;
}

std::string ome(const Shape& shape) {
  return fmt::format(
      R"(<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">)"
      R"(<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="{}" SizeY="{}" SizeZ="{}" SizeC="{}" SizeT="{}">)"
      R"(<TiffData/></Pixels></Image></OME>)",
      shape.x, shape.y, shape.z, shape.c, shape.t);
}

// Three files, one a channel, as OME-XML in the first says.
Sample set_of_files() {
  Sample sample{"TiffSetOfFiles", PixelType::uint16, {1, 3, 2, 20, 30}, {}, "c0.ome.tif", {}};
  std::string data;
  for (int c = 0; c < 3; ++c)
    data += fmt::format(
        R"(<TiffData FirstC="{0}" IFD="0" PlaneCount="2"><UUID FileName="c{0}.ome.tif">urn:uuid:{0}</UUID></TiffData>)",
        c);
  for (uint64_t c = 0; c < 3; ++c) {
    Tiff tiff;
    tiff.shape = {1, 1, 2, 20, 30};
    tiff.description = fmt::format(
        R"(<OME UUID="urn:uuid:{}"><Image><Pixels DimensionOrder="XYZCT" SizeX="30" SizeY="20" SizeZ="2" SizeC="3" SizeT="1">{}</Pixels></Image></OME>)",
        c, data);
    sample.files[fmt::format("c{}.ome.tif", c)] = write(tiff);
  }
  // Each file has the voxels of channel 0.
  sample.expected = [](uint64_t t, uint64_t, uint64_t z, uint64_t y, uint64_t x) {
    return static_cast<double>(voxel_at<uint16_t>(t, 0, z, y, x));
  };
  return sample;
}

// ImageJ writes one directory, and all planes behind the first.
Sample contiguous(bool big_endian) {
  const Shape shape{2, 1, 3, 20, 30};
  TiffBuilder builder(big_endian);
  std::string pixels;
  for (uint64_t t = 0; t < 2; ++t)
    for (uint64_t z = 0; z < 3; ++z)
      for (uint64_t y = 0; y < 20; ++y)
        for (uint64_t x = 0; x < 30; ++x)
          pixels += bytes_of_number(voxel_at<uint16_t>(t, 0, z, y, x), big_endian);
  builder.add_page(
      30, 20, 16,
      {{270, 2, {}, "ImageJ=1.53t\nimages=6\nslices=3\nframes=2\n"}, {273, 4, {0}, {}}});
  // The pixels go to the end of the file, and the first strip is there.
  std::string bytes = builder.bytes();
  const auto at = static_cast<uint32_t>(bytes.size());
  const std::string tag = bytes_of_number<uint16_t>(273, big_endian) +
                          bytes_of_number<uint16_t>(4, big_endian) +
                          bytes_of_number<uint32_t>(1, big_endian);
  bytes.replace(bytes.find(tag) + 8, 4, bytes_of_number(at, big_endian));
  return {big_endian ? "ImageJContiguousBig" : "ImageJContiguous",
          PixelType::uint16,
          shape,
          {{"a.tif", bytes + pixels}},
          "a.tif",
          {}};
}

}  // namespace

std::vector<Sample> tiff_samples() {
  std::vector<Sample> all;
  struct Type {
    const char* name;
    PixelType type;
    uint16_t bits;
    uint16_t format;
  };
  for (const Type& type : {Type{"Uint8", PixelType::uint8, 8, SAMPLEFORMAT_UINT},
                           Type{"Int8", PixelType::int8, 8, SAMPLEFORMAT_INT},
                           Type{"Uint16", PixelType::uint16, 16, SAMPLEFORMAT_UINT},
                           Type{"Int16", PixelType::int16, 16, SAMPLEFORMAT_INT},
                           Type{"Uint32", PixelType::uint32, 32, SAMPLEFORMAT_UINT},
                           Type{"Int32", PixelType::int32, 32, SAMPLEFORMAT_INT},
                           Type{"Uint64", PixelType::uint64, 64, SAMPLEFORMAT_UINT},
                           Type{"Int64", PixelType::int64, 64, SAMPLEFORMAT_INT}}) {
    for (const char* mode : {"wl", "wb", "w8"}) {
      Tiff tiff;
      tiff.bits = type.bits;
      tiff.format = type.format;
      tiff.mode = mode;
      const std::string order = mode[1] == 'l' ? "" : mode[1] == 'b' ? "BigEndian" : "BigTiff";
      all.push_back(sample_of(type.name + order, type.type, tiff));
      tiff.compression = COMPRESSION_LZW;
      tiff.predictor = type.bits == 64 ? 1 : 2;
      tiff.tiled = true;
      all.push_back(sample_of(std::string(type.name) + order + "LzwTiles", type.type, tiff));
    }
  }
  for (const auto& [name, compression] :
       {std::pair("Lzw", COMPRESSION_LZW), std::pair("Deflate", COMPRESSION_ADOBE_DEFLATE),
        std::pair("PackBits", COMPRESSION_PACKBITS), std::pair("Zstd", COMPRESSION_ZSTD),
        std::pair("Lzma", COMPRESSION_LZMA)}) {
    Tiff tiff;
    tiff.compression = static_cast<uint16_t>(compression);
    all.push_back(sample_of(name, PixelType::uint16, tiff));
  }
  for (const uint16_t bits : {1, 2, 4, 6, 10, 12, 14, 20}) {
    for (const uint16_t format : {SAMPLEFORMAT_UINT, SAMPLEFORMAT_INT}) {
      Tiff tiff;
      tiff.bits = bits;
      tiff.format = format;
      const bool negative = format == SAMPLEFORMAT_INT;
      const PixelType type = bits <= 8    ? (negative ? PixelType::int8 : PixelType::uint8)
                             : bits <= 16 ? (negative ? PixelType::int16 : PixelType::uint16)
                                          : (negative ? PixelType::int32 : PixelType::uint32);
      const std::string name = fmt::format("{}Bits{}", bits, negative ? "Signed" : "");
      all.push_back(narrow(name, type, tiff));
      tiff.compression = COMPRESSION_ADOBE_DEFLATE;
      all.push_back(narrow(name + "Deflate", type, tiff));
    }
  }
  Tiff tiff;
  tiff.bits = 1;
  tiff.compression = COMPRESSION_CCITTFAX4;
  all.push_back(narrow("Fax", PixelType::uint8, tiff));
  for (const bool apart : {false, true}) {
    for (const uint16_t compression : {COMPRESSION_NONE, COMPRESSION_ADOBE_DEFLATE}) {
      tiff = {};
      tiff.photometric = PHOTOMETRIC_RGB;
      tiff.samples = 3;
      tiff.bits = 8;
      tiff.apart = apart;
      tiff.compression = compression;
      tiff.shape = {1, 3, 2, 50, 70};
      all.push_back(sample_of(fmt::format("Rgb{}{}", apart ? "Apart" : "",
                                          compression == COMPRESSION_NONE ? "" : "Deflate"),
                              PixelType::uint8, tiff));
    }
  }
  for (const uint16_t bits : {16, 32, 64}) {
    tiff = {};
    tiff.format = SAMPLEFORMAT_IEEEFP;
    tiff.bits = bits;
    const PixelType type = bits == 64 ? PixelType::float64 : PixelType::float32;
    tiff.mode = "wb";
    all.push_back(sample_of(fmt::format("Float{}", bits), type, tiff));
    tiff.mode = "wl";
    tiff.compression = COMPRESSION_ADOBE_DEFLATE;
    // libtiff does not read again what it writes with this predictor in the other byte order.
    tiff.predictor = bits == 16 ? 1 : 3;
    all.push_back(sample_of(fmt::format("Float{}Deflate", bits), type, tiff));
  }
  for (const bool colours : {false, true}) {
    // JPEG loses nothing of what is the same everywhere.
    tiff = {};
    tiff.bits = 8;
    tiff.constant = 100;
    tiff.compression = COMPRESSION_JPEG;
    tiff.tiled = true;
    if (colours) tiff.photometric = PHOTOMETRIC_YCBCR;
    if (colours) tiff.samples = 3;
    tiff.shape = {1, tiff.samples, 1, 50, 70};
    Sample sample = sample_of(colours ? "JpegColours" : "Jpeg", PixelType::uint8, tiff);
    sample.expected = [](uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) { return 100.0; };
    all.push_back(sample);
  }
  tiff = {};
  tiff.photometric = PHOTOMETRIC_MINISWHITE;
  tiff.bits = 8;
  all.push_back(sample_of("WhiteIsZero", PixelType::uint8, tiff));
  all.back().expected = [tiff](uint64_t t, uint64_t c, uint64_t z, uint64_t y, uint64_t x) {
    return 255.0 - static_cast<double>(stored_number(tiff, t, c, z, y, x));
  };
  for (const uint16_t bits : {4, 8}) {
    tiff = {};
    tiff.photometric = PHOTOMETRIC_PALETTE;
    tiff.bits = bits;
    Sample palette = sample_of(fmt::format("Palette{}", bits), PixelType::uint8, tiff);
    palette.shape.c = 3;
    palette.expected = [tiff](uint64_t t, uint64_t c, uint64_t z, uint64_t y, uint64_t x) {
      const uint64_t index = stored_number(tiff, t, 0, z, y, x);
      return static_cast<double>(c == 0 ? index : c == 1 ? 255 - index : 7);
    };
    all.push_back(palette);
  }
  tiff = {};
  tiff.shape = {2, 2, 3, 20, 30};
  tiff.description = ome(tiff.shape);
  all.push_back(sample_of("Ome", PixelType::uint16, tiff));
  all.push_back(set_of_files());
  all.push_back(contiguous(false));
  all.push_back(contiguous(true));
  return all;
}

}  // namespace tierhub::test
