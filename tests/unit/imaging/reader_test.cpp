#include "imaging/images/reader.h"

#include <blosc.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <tiffio.h>
#include <zlib.h>
#include <zstd.h>

#include "pixels/codecs.h"
#include "tests/unit/imaging/volumes.h"

namespace tierhub::imaging {
namespace {

using test::ScratchFolder;

std::string deflated(const std::string& bytes, int window_bits) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
  std::string packed(bytes.size() + 1000, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string pack(const std::string& id, const std::string& bytes) {
  if (id == "zlib") return deflated(bytes, 15);
  if (id == "gzip") return deflated(bytes, 15 + 16);
  if (id == "zstd") {
    std::string packed(ZSTD_compressBound(bytes.size()), '\0');
    packed.resize(ZSTD_compress(packed.data(), packed.size(), bytes.data(), bytes.size(), 3));
    return packed;
  }
  if (id == "blosc") {
    const auto packed = *pixels::compress_blosc(std::as_bytes(std::span(bytes)), 2);
    return {reinterpret_cast<const char*>(packed.data()), packed.size()};
  }
  return bytes;
}

// t, c, z, y, x of 2, 2, 3, 4, 5 in chunks of 2, 1, 2, 3, 4: every axis is cut, or held whole, in
// some way. The voxel at (t, c, z, y, x) is 10000 t + 5000 c + 1000 z + 100 y + x, and
// chunk 1.1.1.1 of the last time points is missing.
void write_5d(const ScratchFolder& folder, const std::string& codec, bool big_endian,
              char separator) {
  folder.write("a.zarr/.zattrs",
               R"({"multiscales":[{"version":"0.4","axes":[{"name":"t"},{"name":"c"},{"name":"z"},
    {"name":"y"},{"name":"x"}],"datasets":[{"path":"s0"}]}]})");
  folder.write(
      "a.zarr/s0/.zarray",
      fmt::format(
          R"({{"zarr_format":2,"shape":[2,2,3,4,5],"chunks":[2,1,2,3,4],"dtype":"{}u2","compressor":{},
    "fill_value":77,"order":"C","filters":null,"dimension_separator":"{}"}})",
          big_endian ? ">" : "<", codec == "null" ? codec : "{\"id\":\"" + codec + "\"}",
          separator));
  for (uint64_t c = 0; c < 2; ++c) {
    for (uint64_t i = 0; i < 8; ++i) {
      const uint64_t z = i / 4, y = i / 2 % 2, x = i % 2;
      if (c == 1 && i == 7) continue;
      std::string bytes;
      for (uint64_t v = 0; v < 2 * 2 * 3 * 4; ++v) {
        const uint64_t value = v / 24 * 10000 + c * 5000 + (z * 2 + v / 12 % 2) * 1000 +
                               (y * 3 + v / 4 % 3) * 100 + x * 4 + v % 4;
        const char low = static_cast<char>(value & 255), high = static_cast<char>(value >> 8);
        bytes += big_endian ? high : low;
        bytes += big_endian ? low : high;
      }
      const std::string name = fmt::format("0{0}{1}{0}{2}{0}{3}{0}{4}", separator, c, z, y, x);
      folder.write("a.zarr/s0/" + name, pack(codec, bytes));
    }
  }
}

TEST(Reader, ReadsBoxesOfZarrOfAllCompressorsAndByteOrders) {
  const ScratchFolder folder;
  for (const char* codec : {"null", "zlib", "gzip", "zstd", "blosc"}) {
    for (const bool big_endian : {false, true}) {
      std::filesystem::remove_all(folder / "a.zarr");
      write_5d(folder, codec, big_endian, big_endian ? '.' : '/');
      ImageReader reader = must(ImageReader::open(folder / "a.zarr"));
      const GreyVolume volume = must(reader.read_grey(Box{0, 1, 1, {1, 3}, {1, 4}, {2, 5}}));
      for (uint64_t z = 0; z < 2; ++z) {
        for (uint64_t y = 0; y < 3; ++y) {
          for (uint64_t x = 0; x < 3; ++x) {
            const bool is_missing = z == 1 && y == 2 && x == 2;
            const uint64_t value = 10000 + 5000 + (z + 1) * 1000 + (y + 1) * 100 + x + 2;
            EXPECT_EQ(volume.at(z, y, x), is_missing ? 77 : value)
                << codec << big_endian << z << y << x;
          }
        }
      }
    }
  }
}

TEST(Reader, AnswersDamagedChunksWithAnError) {
  const ScratchFolder folder;
  for (const char* codec : {"null", "zlib", "gzip", "zstd", "blosc"}) {
    std::filesystem::remove_all(folder / "a.zarr");
    write_5d(folder, codec, false, '/');
    const std::string good = test::read_bytes(folder / "a.zarr/s0/0/0/0/0/0");
    const auto read = [&]() -> Result<GreyVolume> {
      // What has been decoded is kept, so it is opened anew.
      TRY_ASSIGN(const ImageReader reader, ImageReader::open(folder / "a.zarr"));
      return reader.read_grey(Box{0, 0, 0, {0, 1}, {0, 1}, {0, 1}});
    };
    EXPECT_TRUE(read());
    for (size_t size = 0; size + 1 < good.size(); size += 3) {
      folder.write("a.zarr/s0/0/0/0/0/0", good.substr(0, size));
      const auto volume = read();
      ASSERT_FALSE(volume) << codec << " cut to " << size;
      EXPECT_NE(volume.error().text().find("truncated or damaged"), std::string::npos);
    }
    folder.write("a.zarr/s0/0/0/0/0/0", std::string(1 << 20, 'x'));
    EXPECT_FALSE(read()) << codec;
  }
}

struct TiffOptions {
  uint16_t compression = COMPRESSION_NONE;
  uint16_t bits = 16;
  bool tiled = false;
  const char* mode = "w";
};

uint16_t tiff_value(uint64_t z, uint64_t y, uint64_t x, uint16_t bits) {
  const uint64_t value = z * 7919 + y * 251 + x * 3;
  return static_cast<uint16_t>(bits == 8 ? value % 256 : value % 65536);
}

// Three pages of 50 x 70, in strips of 16 rows or tiles of 32 x 16.
std::string write_tiff(const ScratchFolder& folder, const TiffOptions& options) {
  const std::string path = folder / "a.tif";
  std::filesystem::remove(path);
  TIFF* file = TIFFOpen(path.c_str(), options.mode);
  const uint32_t width = 70, height = 50;
  const auto put = [&](std::vector<uint8_t>& bytes, uint64_t z, uint64_t y, uint64_t x) {
    const uint16_t value = tiff_value(z, y, x, options.bits);
    bytes.push_back(static_cast<uint8_t>(value));
    if (options.bits == 16) bytes.push_back(static_cast<uint8_t>(value >> 8));
  };
  for (uint32_t z = 0; z < 3; ++z) {
    TIFFSetField(file, TIFFTAG_IMAGEWIDTH, width);
    TIFFSetField(file, TIFFTAG_IMAGELENGTH, height);
    TIFFSetField(file, TIFFTAG_BITSPERSAMPLE, options.bits);
    TIFFSetField(file, TIFFTAG_SAMPLESPERPIXEL, 1);
    TIFFSetField(file, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
    TIFFSetField(file, TIFFTAG_COMPRESSION, options.compression);
    if (options.tiled) {
      TIFFSetField(file, TIFFTAG_TILEWIDTH, 32);
      TIFFSetField(file, TIFFTAG_TILELENGTH, 16);
      for (uint32_t top = 0; top < height; top += 16) {
        for (uint32_t left = 0; left < width; left += 32) {
          std::vector<uint8_t> bytes;
          for (uint32_t y = top; y < top + 16; ++y) {
            for (uint32_t x = left; x < left + 32; ++x) put(bytes, z, y, x);
          }
          TIFFWriteEncodedTile(file, TIFFComputeTile(file, left, top, 0, 0), bytes.data(),
                               static_cast<tmsize_t>(bytes.size()));
        }
      }
    } else {
      TIFFSetField(file, TIFFTAG_ROWSPERSTRIP, 16);
      for (uint32_t strip = 0; strip * 16 < height; ++strip) {
        std::vector<uint8_t> bytes;
        for (uint32_t y = strip * 16; y < std::min(height, strip * 16 + 16); ++y) {
          for (uint32_t x = 0; x < width; ++x) put(bytes, z, y, x);
        }
        TIFFWriteEncodedStrip(file, strip, bytes.data(), static_cast<tmsize_t>(bytes.size()));
      }
    }
    TIFFWriteDirectory(file);
  }
  TIFFClose(file);
  return path;
}

TEST(Reader, ReadsBoxesOfTiffStacksOfAllKinds) {
  const ScratchFolder folder;
  const Box box{0, 0, 0, {1, 3}, {10, 49}, {20, 69}};
  for (const uint16_t compression :
       {COMPRESSION_NONE, COMPRESSION_LZW, COMPRESSION_ADOBE_DEFLATE, COMPRESSION_PACKBITS}) {
    for (const uint16_t bits : {uint16_t{8}, uint16_t{16}}) {
      for (const bool tiled : {false, true}) {
        for (const char* mode : {"wl", "wb", "w8"}) {
          ImageReader reader =
              must(ImageReader::open(write_tiff(folder, {compression, bits, tiled, mode})));
          const GreyVolume volume = must(reader.read_grey(box));
          bool is_equal = true;
          for (uint64_t z = 1; z < 3; ++z) {
            for (uint64_t y = 10; y < 49; ++y) {
              for (uint64_t x = 20; x < 69; ++x)
                is_equal &= volume.at(z - 1, y - 10, x - 20) == tiff_value(z, y, x, bits);
            }
          }
          EXPECT_TRUE(is_equal) << compression << " " << bits << " " << tiled << " " << mode;
        }
      }
    }
  }
}

TEST(Reader, AnswersACutTiffFileWithOneSentence) {
  const ScratchFolder folder;
  for (const uint16_t compression :
       {COMPRESSION_NONE, COMPRESSION_LZW, COMPRESSION_ADOBE_DEFLATE, COMPRESSION_PACKBITS}) {
    const std::string path = write_tiff(folder, {compression, 16, false, "w"});
    const std::string good = test::read_bytes(path);
    for (size_t size = 0; size < good.size(); size += good.size() / 40 + 1) {
      folder.write("a.tif", good.substr(0, size));
      const auto read = [&]() -> Result<GreyVolume> {
        TRY_ASSIGN(ImageReader reader, ImageReader::open(path));
        return reader.read_grey(must(formats::whole_volume(reader.info())));
      }();
      ASSERT_FALSE(read) << size;
      EXPECT_EQ(read.error().text().find('\n'), std::string::npos);
    }
  }
}

TEST(Reader, RefusesAnImageOf32BitsButReadsItAsLabels) {
  const ScratchFolder folder;
  LabelVolume labels({2, 3, 4});
  labels.at(1, 2, 3) = 70000;
  write_volume(folder / "l.zarr", labels, {1, 2, 2});
  ImageReader reader = must(ImageReader::open(folder / "l.zarr"));
  EXPECT_EQ(must(reader.read_labels(whole_box(labels.extent))), labels);
  EXPECT_FALSE(reader.read_grey(whole_box(labels.extent)));
  EXPECT_FALSE(reader.read_labels(whole_box({2, 3, 5})));
}

}  // namespace
}  // namespace tierhub::imaging
