#include "imaging/filters/filter.h"

#include <gtest/gtest.h>

#include "imaging/filters/made_image.h"
#include "imaging/voxels/median.h"
#include "imaging/voxels/morphology.h"
#include "tests/unit/imaging/volumes.h"

namespace tierhub::imaging {
namespace {

using test::ScratchFolder;

Filter median_filter(const Halo& radius) {
  return {[=](const Extent& shape) -> Result<Halo> {
            return Halo{shape.z > 1 ? radius.z : 0, shape.y > 1 ? radius.y : 0,
                        shape.x > 1 ? radius.x : 0};
          },
          [=](const GreyVolume& volume, const Box& grown, const Box& owned, const Extent& shape,
              Parallel parallel) { return median(volume, grown, owned, radius, shape, parallel); }};
}

GreyVolume read_all(const std::string& path) {
  const ImageReader reader = must(ImageReader::open(path));
  return must(reader.read_grey(must(formats::whole_volume(reader.info()))));
}

// All levels and chunks of both are equal.
void expect_equal_images(const std::string& a, const std::string& b) {
  EXPECT_EQ(files_below(a), files_below(b));
}

class Filters : public ::testing::Test {
 protected:
  std::string image(const std::string& name) { return folder_ / name; }
  ScratchFolder folder_;
};

TEST_F(Filters, WriteTheSameImageInBlocksAsAtOnce) {
  for (const Extent& shape : {Extent{40, 140, 150}, Extent{1, 600, 1100}}) {
    const GreyVolume volume = speckle(shape, shape.x);
    write_volume(image("in.zarr"), volume, {16, 64, 64}, {2, 0.5, 0.5});
    const ImageReader reader = must(ImageReader::open(image("in.zarr")));
    const Box whole = must(formats::whole_volume(reader.info()));
    const Filter filter = median_filter({1, 2, 1});
    must(filter_whole(reader, whole, filter, image("whole.zarr"), Parallel(2)));
    EXPECT_EQ(read_all(image("whole.zarr")),
              must(median(volume, whole, whole, {1, 2, 1}, shape, Parallel(1))));
    std::filesystem::remove_all(image("blocks.zarr"));
    for (const Box& box : must(formats::tile(whole, {32, 512, 512}))) {
      // Twice: a task may be repeated.
      for (int attempt = 0; attempt < 2; ++attempt)
        must(filter_box(reader, box, {1, 2, 1}, filter, image("blocks.zarr"), Parallel(1)));
    }
    const size_t levels = shape.x > 1024 ? 3 : 1;
    EXPECT_EQ(must(add_levels(image("blocks.zarr"), pixels::Shrink::mean, Parallel(1))), levels);
    EXPECT_EQ(must(add_levels(image("blocks.zarr"), pixels::Shrink::mean, Parallel(1))), levels)
        << "again";
    expect_equal_images(image("blocks.zarr"), image("whole.zarr"));
  }
}

TEST_F(Filters, KeepEightBitsEight) {
  using formats::Axis;
  ImageLayout layout;
  layout.axes = {Axis::y, Axis::x};
  layout.type = formats::PixelType::uint8;
  layout.shape = {1, 1, 1, 70, 90};
  layout.chunk = {1, 1, 1, 32, 32};
  GreyVolume volume({1, 70, 90});
  for (size_t i = 0; i < volume.voxels.size(); ++i) volume.voxels[i] = (i * 7919) % 256;
  ImageWriter writer = must(ImageWriter::create(image("in.zarr"), layout));
  must(writer.write_box(whole_box(volume.extent), volume, Parallel(1)));
  must(writer.commit());
  EXPECT_EQ(read_all(image("in.zarr")), volume);
  const ImageReader reader = must(ImageReader::open(image("in.zarr")));
  const Box whole = must(formats::whole_volume(reader.info()));
  must(filter_whole(reader, whole, median_filter({0, 1, 1}), image("out.zarr"), Parallel(1)));
  const ImageReader filtered = must(ImageReader::open(image("out.zarr")));
  EXPECT_EQ(filtered.info().type, formats::PixelType::uint8);
  EXPECT_EQ(read_all(image("out.zarr")),
            must(median(volume, whole, whole, {0, 1, 1}, volume.extent, Parallel(1))));
}

TEST_F(Filters, RefuseBlocksThatWouldCutChunksAndHalosThatAreTooSmall) {
  write_volume(image("in.zarr"), speckle({40, 140, 150}, 1));
  const ImageReader reader = must(ImageReader::open(image("in.zarr")));
  const Filter filter = median_filter({1, 2, 1});
  const auto refused = [&](const Box& box, const Halo& halo) {
    const auto result = filter_box(reader, box, halo, filter, image("out.zarr"), Parallel(1));
    return result ? std::string() : result.error().text();
  };
  EXPECT_NE(refused({0, 0, 0, {0, 16}, {0, 128}, {0, 128}}, {1, 2, 1}).find("z=32, y=128, x=128"),
            std::string::npos);
  EXPECT_NE(refused({0, 0, 0, {0, 32}, {0, 128}, {0, 128}}, {1, 1, 1}).find("z=1,y=2,x=1"),
            std::string::npos);
  EXPECT_EQ(refused({0, 0, 0, {32, 40}, {128, 140}, {0, 128}}, {1, 2, 1}), "");
  // Another image under that name.
  write_volume(image("in.zarr"), speckle({40, 140, 151}, 1));
  const ImageReader other = must(ImageReader::open(image("in.zarr")));
  const auto result = filter_box(other, {0, 0, 0, {0, 32}, {0, 128}, {0, 128}}, {1, 2, 1}, filter,
                                 image("out.zarr"), Parallel(1));
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().text().find("another size"), std::string::npos);
}

}  // namespace
}  // namespace tierhub::imaging
