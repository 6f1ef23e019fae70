// Numbered series, of TIFF, PNG and MRC files.
#include <fmt/format.h>
#include <png.h>
#include <tiffio.h>

#include "tests/unit/formats/samples.h"
#include "tests/unit/pixels/samples.h"

namespace tierhub::test {
namespace {

using formats::PixelType;
using formats::Shape;

// Voxels of the whole image from a member's place on, in the order z, y, x, c of its planes.
template <class T>
std::string planes_of(const Shape& at, const Shape& size) {
  std::string bytes;
  for (uint64_t z = 0; z < size.z; ++z)
    for (uint64_t y = 0; y < size.y; ++y)
      for (uint64_t x = 0; x < size.x; ++x)
        for (uint64_t c = 0; c < size.c; ++c)
          bytes += bytes_of_number(voxel_at<T>(at.t, at.c + c, at.z + z, y, x), false);
  return bytes;
}

// One page for each plane along z, in strips of 7 rows.
std::string tiff(const Shape& at, const Shape& size) {
  const ScratchFolder folder;
  const std::string path = folder / "a.tif";
  std::string planes = planes_of<uint16_t>(at, size);
  TIFF* file = TIFFOpen(path.c_str(), "w");
  for (uint64_t z = 0; z < size.z; ++z) {
    TIFFSetField(file, TIFFTAG_IMAGEWIDTH, static_cast<uint32_t>(size.x));
    TIFFSetField(file, TIFFTAG_IMAGELENGTH, static_cast<uint32_t>(size.y));
    TIFFSetField(file, TIFFTAG_BITSPERSAMPLE, 16);
    TIFFSetField(file, TIFFTAG_SAMPLESPERPIXEL, 1);
    TIFFSetField(file, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
    TIFFSetField(file, TIFFTAG_COMPRESSION, COMPRESSION_ADOBE_DEFLATE);
    TIFFSetField(file, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
    TIFFSetField(file, TIFFTAG_ROWSPERSTRIP, 7);
    for (uint64_t y = 0; y < size.y; ++y) {
      TIFFWriteScanline(file, planes.data() + (z * size.y + y) * size.x * 2,
                        static_cast<uint32_t>(y), 0);
    }
    TIFFWriteDirectory(file);
  }
  TIFFClose(file);
  return read_bytes(path);
}

// Grey, or colours if there are three channels.
std::string png(const Shape& at, const Shape& size) {
  const std::string planes = planes_of<uint8_t>(at, size);
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<uint32_t>(size.x);
  image.height = static_cast<uint32_t>(size.y);
  image.format = size.c == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  std::string bytes(1 << 16, '\0');
  png_alloc_size_t written = bytes.size();
  png_image_write_to_memory(&image, bytes.data(), &written, 0, planes.data(), 0, nullptr);
  bytes.resize(written);
  return bytes;
}

std::string mrc(const Shape& at, const Shape& size) {
  std::string head(1024, '\0');
  const auto put = [&](size_t offset, uint64_t value) {
    head.replace(offset, 4, bytes_of_number(static_cast<uint32_t>(value), false));
  };
  put(0, size.x);
  put(4, size.y);
  put(8, size.z);
  put(12, 1);
  put(88, 1);
  head.replace(208, 4, "MAP ");
  head.replace(212, 2, "DD");
  return head + planes_of<int16_t>(at, size);
}

// Members of the shape `member`, as many along t, c and z as `counts` says.
Sample series(const std::string& name, PixelType type, const std::string& pattern,
              const Shape& counts, const Shape& member,
              std::string (*write)(const Shape& at, const Shape& size)) {
  Sample sample{"Series" + name, type, member, {{"about.txt", "these are numbered"}}, "", {}};
  sample.shape.t = counts.t * member.t;
  sample.shape.c = counts.c * member.c;
  sample.shape.z = counts.z * member.z;
  for (uint64_t t = 0; t < counts.t; ++t)
    for (uint64_t c = 0; c < counts.c; ++c)
      for (uint64_t z = 0; z < counts.z; ++z)
        sample.files[fmt::format(fmt::runtime(pattern), fmt::arg("t", t + 9), fmt::arg("c", c),
                                 fmt::arg("z", z + 1))] =
            write({t * member.t, c * member.c, z * member.z, 0, 0}, member);
  return sample;
}

}  // namespace

std::vector<Sample> series_samples() {
  return {series("TiffOfTimesAndSlices", PixelType::uint16, "a_t{t}_z{z:03}.tif", {3, 1, 4, 1, 1},
                 {1, 1, 1, 23, 31}, tiff),
          series("TiffStacks", PixelType::uint16, "a_T{t}-CH{c:02}.TIF", {2, 3, 1, 1, 1},
                 {1, 1, 3, 23, 31}, tiff),
          series("TiffStacksAlongZ", PixelType::uint16, "z{z}.tiff", {1, 1, 3, 1, 1},
                 {1, 1, 2, 23, 31}, tiff),
          series("Png", PixelType::uint8, "time{t:04}z{z}.png", {2, 1, 2, 1, 1}, {1, 1, 1, 23, 31},
                 png),
          series("PngColours", PixelType::uint8, "x w{c} 1.png", {1, 2, 1, 1, 1}, {1, 3, 1, 23, 31},
                 png),
          series("Mrc", PixelType::int16, "m_c{c}.mrc", {1, 2, 1, 1, 1}, {1, 1, 3, 23, 31}, mrc)};
}

}  // namespace tierhub::test
