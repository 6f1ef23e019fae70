// A slide that is read with OpenSlide: of Trestle, which is a TIFF file of tiled pages with a mark.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <tiffio.h>

#include "pixels/reader.h"
#include "tests/unit/formats/samples.h"

namespace tierhub::pixels {
namespace {

using formats::Region;
using formats::Shape;

constexpr uint32_t kWidth = 1400, kHeight = 700, kTile = 256;

uint8_t colour_at(uint64_t level, uint64_t c, uint64_t y, uint64_t x) {
  return static_cast<uint8_t>((x + 3 * y + 50 * c + 100 * level) % 251);
}

void write_page(TIFF* tiff, uint64_t level) {
  const uint32_t width = kWidth >> level, height = kHeight >> level;
  TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, width);
  TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, height);
  TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 8);
  TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 3);
  TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_RGB);
  TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
  TIFFSetField(tiff, TIFFTAG_TILEWIDTH, kTile);
  TIFFSetField(tiff, TIFFTAG_TILELENGTH, kTile);
  TIFFSetField(tiff, TIFFTAG_SOFTWARE, "MedScan 1");
  TIFFSetField(tiff, TIFFTAG_IMAGEDESCRIPTION, "Background Color=FFFFFF;OverlapsXY= 0 0 0 0");
  std::vector<uint8_t> tile(size_t{kTile} * kTile * 3);
  for (uint32_t top = 0; top < height; top += kTile) {
    for (uint32_t left = 0; left < width; left += kTile) {
      for (uint32_t y = 0; y < kTile; ++y)
        for (uint32_t x = 0; x < kTile; ++x)
          for (uint32_t c = 0; c < 3; ++c)
            tile[(y * kTile + x) * 3 + c] = colour_at(level, c, top + y, left + x);
      ASSERT_GE(TIFFWriteTile(tiff, tile.data(), left, top, 0, 0), 0);
    }
  }
  ASSERT_TRUE(TIFFWriteDirectory(tiff));
}

std::string write_slide(const test::ScratchFolder& folder) {
  const std::string path = folder / "slide.tif";
  TIFF* const tiff = TIFFOpen(path.c_str(), "w");
  for (uint64_t level = 0; level < 2; ++level) write_page(tiff, level);
  TIFFClose(tiff);
  return path;
}

TEST(Slide, RegionsHaveTheirVoxels) {
  const test::ScratchFolder folder;
  const std::string path = write_slide(folder);
  for (const size_t threads : {1, 3}) {
    PixelReader::Options options;
    options.threads = threads;
    const auto opened = PixelReader::open(path, options);
    ASSERT_TRUE(opened) << opened.error().text();
    const PixelReader& reader = **opened;
    ASSERT_EQ(reader.info().format, "whole slide (trestle)");
    ASSERT_EQ(reader.info().levels.size(), 2u);
    ASSERT_EQ(reader.info().levels[1].shape, (Shape{1, 3, 1, kHeight / 2, kWidth / 2}));
    std::mt19937_64 random(7);
    for (int i = 0; i < 20; ++i) {
      const uint64_t level = random() % 2;
      const Shape& shape = reader.info().levels[level].shape;
      const auto range = [&](uint64_t size) {
        const uint64_t begin = random() % size;
        return formats::AxisRange{begin, begin + 1 + random() % (size - begin)};
      };
      const Region region{level, {0, 1}, range(3), {0, 1}, range(shape.y), range(shape.x)};
      std::vector<uint8_t> voxels(region.shape().voxels());
      ASSERT_TRUE(reader.read(region, formats::PixelType::uint8,
                              std::as_writable_bytes(std::span(voxels))));
      size_t at = 0;
      for (uint64_t c = region.c.begin; c < region.c.end; ++c)
        for (uint64_t y = region.y.begin; y < region.y.end; ++y)
          for (uint64_t x = region.x.begin; x < region.x.end; ++x, ++at)
            ASSERT_EQ(voxels[at], colour_at(level, c, y, x))
                << fmt::format("level {} c {} y {} x {}", level, c, y, x);
    }
  }
}

// Where the bytes of a tile are is not known.
TEST(Slide, NeedsTheWholeFile) {
  const test::ScratchFolder folder;
  const auto image = formats::Image::open(write_slide(folder));
  ASSERT_TRUE(image) << image.error().text();
  const auto all_of_it = [](const formats::Chunk& chunk) -> Result<void> {
    EXPECT_EQ(chunk.bytes,
              (std::vector<formats::FileRange>{{"slide.tif", 0, formats::FileRange::kToEnd}}));
    return {};
  };
  EXPECT_TRUE((*image)->for_each_chunk({0, {0, 1}, {0, 1}, {0, 1}, {0, 1}, {0, 1}}, all_of_it));
}

TEST(Slide, IsAnErrorWhenOpenSlideCrashes) {
  const test::ScratchFolder folder;
  const auto reader = PixelReader::open(write_slide(folder), {});
  ASSERT_TRUE(reader) << reader.error().text();
  pid_t child = 0;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task"))
    std::ifstream(thread.path() / "children") >> child;
  ASSERT_GT(child, 0);
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  std::byte voxel{};
  const auto read = (*reader)->read({0, {0, 1}, {0, 1}, {0, 1}, {0, 1}, {0, 1}},
                                    formats::PixelType::uint8, std::span(&voxel, 1));
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().text().find("slide.tif is damaged: reading it, OpenSlide crashed"),
            std::string::npos)
      << read.error().text();
}

TEST(Slide, RefusesWhatIsNoSlide) {
  const test::ScratchFolder folder;
  const auto image = formats::Image::open(folder.write("a.ndpi", std::string(5000, 'x')));
  ASSERT_FALSE(image);
  EXPECT_NE(image.error().text().find("a.ndpi is no whole slide"), std::string::npos)
      << image.error().text();
}

}  // namespace
}  // namespace tierhub::pixels
