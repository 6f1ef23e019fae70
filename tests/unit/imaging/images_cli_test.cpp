// The commands of imgop that make images out of images, as the shell runs them.
#include "tests/unit/imaging/images_cli.h"

#include "imaging/voxels/arithmetic.h"
#include "imaging/voxels/resize.h"

namespace tierhub::imaging {
namespace {

using formats::PixelType;

TEST_F(ImgopImages, ProjectWritesAPlane) {
  const Extent shape{3, 520, 1030};
  const GreyVolume volume = speckle(shape, 3);
  write_volume(at("v.zarr"), volume, {3, 512, 512}, {2, 0.5, 0.25});
  EXPECT_EQ(run("project --in v.zarr --out max.zarr"),
            "report: max.zarr: brightest along z of v.zarr, level 0, t 0, c 0, z 0-2\n");
  EXPECT_EQ(info(at("max.zarr")).axes_text(), "yx");
  EXPECT_EQ(info(at("max.zarr")).type, PixelType::uint16);
  EXPECT_EQ(info(at("max.zarr")).levels.front().voxel_size, (formats::VoxelSize{1, 0.5, 0.25}));
  EXPECT_EQ(info(at("max.zarr")).levels.size(), 3u);
  run("project --method sum --in v.zarr --out sum.zarr");
  EXPECT_EQ(info(at("sum.zarr")).type, PixelType::uint32);
  run("project --method mean --in v.zarr --out mean.zarr");
  const GreyVolume most = grey(at("max.zarr")), mean = grey(at("mean.zarr"));
  const LabelVolume sum = wide(at("sum.zarr"));
  for (size_t i = 0; i < sum.voxels.size(); i += 97) {
    uint32_t expected = 0, brightest = 0;
    for (uint64_t z = 0; z < shape.z; ++z) {
      const uint16_t voxel = volume.voxels[z * sum.voxels.size() + i];
      expected += voxel;
      brightest = std::max<uint32_t>(brightest, voxel);
    }
    ASSERT_EQ(sum.voxels[i], expected);
    ASSERT_EQ(most.voxels[i], brightest);
    ASSERT_EQ(mean.voxels[i], (2 * expected + 3) / 6);
  }
  for (const std::string method : {"max", "sum"})
    expect_blocks_equal("project --in v.zarr --method " + method, shape, {3, 512, 512},
                        method + ".zarr");
}

TEST_F(ImgopImages, MakeNothingWhereABlockFails) {
  write_volume(at("v.zarr"), speckle({4, 600, 600}, 1));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(at("v.zarr/0"))) {
    if (entry.is_regular_file() && entry.path().filename() != ".zarray")
      std::filesystem::resize_file(entry.path(), 3);
  }
  const std::string block = " --in v.zarr --out o.zarr --box z=0:4,y=0:512,x=0:512 ";
  expect_refused("smooth --halo z=9,y=9,x=9" + block, 1, "v.zarr");
  expect_refused("project" + block, 1, "v.zarr");
  expect_refused("resize --factor 2" + block, 1, "v.zarr");
  expect_refused("median --radius 0 --in v.zarr --out o.zarr --box z=0:4,y=0:500,x=0:600", 1,
                 "whole chunks");
  EXPECT_FALSE(std::filesystem::exists(at("o.zarr")));
}

TEST_F(ImgopImages, ProjectOfAPlaneIsThePlane) {
  const GreyVolume plane = speckle({1, 30, 40}, 1);
  write_volume(at("p.zarr"), plane);
  for (const std::string method : {"max", "sum", "mean"}) {
    run("project --in p.zarr --out q.zarr --method " + method);
    EXPECT_EQ(grey(at("q.zarr")), plane);
  }
  run("project --method mean --in p.zarr --out q.png");
}

TEST_F(ImgopImages, ProjectRefusesWhatCannotBe) {
  write_volume(at("v.zarr"), speckle({4, 20, 20}, 1));
  write_volume(at("wide.zarr"), LabelVolume({4, 20, 20}));
  expect_refused("project --in v.zarr --out a.zarr --labels l.zarr", 2, "--out NAME.png");
  expect_refused("project --in v.zarr --out a.png --box z=0:4,y=0:20,x=0:20", 2, "NAME.ome.zarr");
  expect_refused("project --in v.zarr --out a.zarr --box z=0:2,y=0:20,x=0:20", 1,
                 "blocks with all 4 planes");
  expect_refused("project --in v.zarr --out a.zarr --box z=0:4,y=0:10,x=0:20", 1, "y=20, x=20");
  expect_refused("project --in wide.zarr --out w.zarr --box z=0:4,y=0:20,x=0:20", 1,
                 "say with --range");
  expect_refused("project --in none.zarr --out a.zarr", 1, "none.zarr");
  expect_refused("project --in v.zarr --out a.zarr --method median", 2, "median");
}

TEST_F(ImgopImages, ResizeByTwoGivesTheNextLevelOfAPyramid) {
  const GreyVolume volume = speckle({1, 301, 1027}, 5);
  write_volume(at("p.zarr"), volume, {1, 301, 512}, {1, 0.5, 0.5});
  run("convert --in p.zarr --out pyramid.zarr");
  EXPECT_EQ(run("resize --in p.zarr --out half.zarr"),
            "report: half.zarr: means of 1 x 2 x 2 voxels (z, y, x) of p.zarr, level 0, t 0, c 0, "
            "z 0\n");
  const ImageReader pyramid = must(ImageReader::open(at("pyramid.zarr")));
  EXPECT_EQ(grey(at("half.zarr")),
            must(pyramid.read_grey(must(formats::whole_volume(pyramid.info(), 1)))));
  EXPECT_EQ(info(at("half.zarr")).levels.front().voxel_size, (formats::VoxelSize{1, 1, 1}));
}

TEST_F(ImgopImages, ResizeKeepsVoxelsFromBecomingHigherThanWide) {
  const GreyVolume volume = speckle({9, 20, 30}, 5);
  const auto shape = [&](const formats::VoxelSize& size, const std::string& options) {
    write_volume(at("v.zarr"), volume, {4, 8, 8}, size);
    run("resize --in v.zarr --out small.zarr " + options);
    return info(at("small.zarr")).levels.front();
  };
  EXPECT_EQ(shape({1, 1, 1}, "--factor 4").shape.extent(), (Extent{3, 5, 8}));
  EXPECT_EQ(shape({2, 1, 1}, "--factor 2").shape.extent(), (Extent{9, 10, 15}));
  const formats::Level level = shape({0.2, 0.1, 0.1}, "--factor 4");
  EXPECT_EQ(level.shape.extent(), (Extent{5, 5, 8}));
  EXPECT_DOUBLE_EQ(level.voxel_size.z, 0.4);
  EXPECT_DOUBLE_EQ(level.voxel_size.x, 0.4);
  EXPECT_EQ(shape({2, 1, 1}, "--factor-z 8").shape.extent(), (Extent{2, 10, 15}));
  EXPECT_EQ(shape({1, 1, 1}, "--factor 16 --select y=16:20").shape.extent(), (Extent{1, 1, 2}));
  expect_refused("resize --in v.zarr --select x=3:9 --out small.zarr", 1, "z=2, y=2, x=2");
  expect_refused("resize --factor 3 --in v.zarr --out small.zarr", 2, "factor");
}

TEST_F(ImgopImages, ResizeInBlocksEqualsResizeAtOnce) {
  const Extent shape{3, 1100, 1050};
  LabelVolume labels(shape);
  for (size_t i = 0; i < labels.voxels.size(); ++i)
    labels.voxels[i] = static_cast<uint32_t>(i / 40'000 * 70'000);
  write_volume(at("l.zarr"), labels, {3, 512, 512});
  const std::string command = "resize --factor-z 4 --method nearest --in l.zarr";
  run(command + " --out whole.zarr");
  EXPECT_EQ(info(at("whole.zarr")).type, PixelType::uint32);
  EXPECT_EQ(wide(at("whole.zarr")), resize(labels, {4, 2, 2}, Resize::nearest));
  expect_blocks_equal(command, shape, {4, 1024, 1024}, "whole.zarr", " --shrink nearest");
  expect_refused(command + " --box z=0:3,y=0:512,x=0:1050 --out b.zarr", 1, "z=4, y=1024, x=1024");
}

TEST_F(ImgopImages, MathCalculatesWithImagesAndNumbers) {
  const Extent shape{1, 520, 600};
  const GreyVolume a = speckle(shape, 1), b = speckle(shape, 2);
  write_channels(folder_, "ab.zarr", {a, b});
  const std::string in = "math --in ab.zarr --select c=0 ";
  const std::string ratio = in + "--operation divide --with ab.zarr --with-select c=1 --scale 100";
  EXPECT_EQ(
      run(ratio + " --out ratio.zarr"),
      "report: ratio.zarr: made from ab.zarr, level 0, t 0, c 0, z 0; divide ab.zarr (c=1)\n");
  EXPECT_EQ(grey(at("ratio.zarr")), calculate(a, b, {Operation::divide, 100, 0}));
  run(in + "--operation subtract --with 150.5 --out s.zarr");
  EXPECT_EQ(grey(at("s.zarr")), calculate(a, 150.5, {Operation::subtract, 1, 0}));
  run("math --in ab.zarr --select c=0,y=100:140 --operation max --with ab.zarr --with-select c=1 "
      "--out part.zarr");
  const Box whole = whole_box(shape), part{0, 0, 0, {0, 1}, {100, 140}, {0, 600}};
  EXPECT_EQ(grey(at("part.zarr")), crop(calculate(a, b, {Operation::maximum, 1, 0}), whole, part));
  std::filesystem::remove_all(at("blocks.zarr"));
  for (const Box& box : must(formats::tile(whole, {1, 512, 512}))) {
    run("math --in ab.zarr --operation divide --with ab.zarr --with-select c=1 --scale 100 --box " +
        formats::to_text(box) + " --out blocks.zarr");
  }
  EXPECT_EQ(files_below(at("blocks.zarr")), files_below(at("ratio.zarr")));
}

TEST_F(ImgopImages, MathRefusesWhatDoesNotFit) {
  write_volume(at("a.zarr"), speckle({1, 20, 30}, 1));
  write_volume(at("b.zarr"), speckle({1, 20, 31}, 1));
  write_channels(folder_, "c.zarr", {speckle({1, 20, 30}, 1), speckle({1, 20, 30}, 2)});
  const std::string in = "math --operation add --in a.zarr --out o.zarr --with ";
  expect_refused(in + "b.zarr", 1, "b.zarr z=1,y=20,x=31");
  expect_refused(in + "c.zarr", 1, "2 channels (c 0-1): say which with --with-select c=0");
  expect_refused(in + "c.zarr --with-select c=2", 1, "c");
  expect_refused(in + "c.zarr --with-select c=1,z=0:1", 1, "--with-select names");
  expect_refused(in + "2e9", 2, "at most 1e9");
  expect_refused(in + "none.zarr", 1, "none.zarr");
  expect_refused("math --in a.zarr --out o.zarr --with 3", 2, "--operation");
  EXPECT_FALSE(std::filesystem::exists(at("o.zarr")));
}

}  // namespace
}  // namespace tierhub::imaging
