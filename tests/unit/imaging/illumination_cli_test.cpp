// Illumination correction as the shell runs it.
#include "imaging/voxels/illumination.h"
#include "tests/unit/imaging/images_cli.h"

namespace tierhub::imaging {
namespace {

class ImgopIllumination : public ImgopImages {};

// 100 where there is light, and brighter to the right.
GreyVolume slope(const Extent& shape, uint16_t left) {
  GreyVolume volume(shape);
  for (size_t i = 0; i < volume.voxels.size(); ++i)
    volume.voxels[i] = static_cast<uint16_t>(left + i % shape.x);
  return volume;
}

TEST_F(ImgopIllumination, OfSumsInAnyOrderMakesImagesFlat) {
  const Extent shape{1, 530, 40};
  for (const int image : {1, 2, 3})
    write_volume(at(fmt::format("{}.zarr", image)), slope(shape, 100 * image));
  EXPECT_EQ(run("illumination-sum --in " + at(".") + " --out all.zarr"), "3 planes\n");
  EXPECT_EQ(run("illumination-sum --in 1.zarr --out sums/a.zarr"), "1 plane\n");
  EXPECT_EQ(run("illumination-sum --in 2.zarr 3.zarr --out sums/b.zarr"), "2 planes\n");
  const std::string text = run("illumination --radius 5 --in " + at("sums") + " --out f.zarr");
  EXPECT_EQ(text,
            "report: f.zarr: light from 0.91 to 1.09 of its mean, in 3 planes; radius 5, "
            "dark 0\n");
  run("illumination --radius 5 --in sums/b.zarr --in sums/a.zarr --out g.zarr");
  EXPECT_EQ(files_below(at("g.zarr")), files_below(at("f.zarr")));
  const std::string correct = "correct-illumination --function f.zarr --in 2.zarr";
  EXPECT_NE(run(correct + " --out flat.zarr").find("illumination corrected by f.zarr"),
            std::string::npos);
  for (const uint16_t pixel : grey(at("flat.zarr")).voxels) ASSERT_NEAR(pixel, 220, 1);
  std::filesystem::remove_all(at("blocks.zarr"));
  for (const Box& box : must(formats::tile(whole_box(shape), {1, 512, 512})))
    run(correct + " --box " + formats::to_text(box) + " --out blocks.zarr");
  EXPECT_EQ(files_below(at("blocks.zarr")), files_below(at("flat.zarr")));
  run(correct + " --select y=7:9,x=30:40 --out part.zarr");
  const Box part{0, 0, 0, {0, 1}, {7, 9}, {30, 40}};
  EXPECT_EQ(grey(at("part.zarr")), crop(grey(at("flat.zarr")), whole_box(shape), part));
}

TEST_F(ImgopIllumination, CorrectsVolumesPlaneByPlaneAndSubtractsTheDark) {
  const Extent shape{3, 12, 40};
  const GreyVolume volume = slope(shape, 150);
  write_volume(at("v.zarr"), volume);
  EXPECT_EQ(run("illumination-sum --in v.zarr --out s.zarr"), "3 planes\n");
  run("illumination --radius 4 --dark 50 --in s.zarr --out f.zarr");
  run("correct-illumination --function f.zarr --in v.zarr --out flat.zarr");
  EXPECT_EQ(info(at("flat.zarr")).axes_text(), "zyx");
  for (const uint16_t pixel : grey(at("flat.zarr")).voxels) ASSERT_NEAR(pixel, 119.5, 1);
}

TEST_F(ImgopIllumination, RefusesWhatDoesNotFitTogether) {
  write_volume(at("a.zarr"), slope({1, 20, 30}, 100));
  write_volume(at("b.zarr"), slope({1, 20, 31}, 100));
  write_volume(at("black.zarr"), GreyVolume({1, 20, 30}));
  write_channels(folder_, "c.zarr", {slope({1, 20, 30}, 1), slope({1, 20, 30}, 2)});
  expect_refused("illumination-sum --in a.zarr b.zarr --out s.zarr", 1,
                 "b.zarr has 20 x 31 pixels");
  expect_refused("illumination-sum --in a.zarr --select x=0:9 --out s.zarr", 1, "whole planes");
  expect_refused("illumination-sum --in c.zarr --out s.zarr", 1, "2 channels");
  run("illumination-sum --in a.zarr --out sa.zarr");
  run("illumination-sum --in b.zarr --out sb.zarr");
  run("illumination-sum --in black.zarr --out dark.zarr");
  run("illumination-sum --select c=1 --in c.zarr --out sc.zarr");
  expect_refused("illumination --in sa.zarr sb.zarr --out f.zarr", 1,
                 "b.zarr has 20 x 31 pixels, a.zarr 20 x 30");
  expect_refused("illumination --in sa.zarr sc.zarr --out f.zarr", 1,
                 "c.zarr is of {\"c\":1,\"level\":0}");
  expect_refused("illumination --in dark.zarr --out f.zarr", 1, "black");
  expect_refused("illumination --in a.zarr --out f.zarr", 1, "illumination-sum");
  expect_refused("illumination --in " + at("none") + " --out f.zarr", 1, "none");
  run("illumination --in sa.zarr --out f.zarr");
  expect_refused("correct-illumination --function f.zarr --in b.zarr --out o.zarr", 1,
                 "b.zarr has 20 x 31 pixels");
  expect_refused("correct-illumination --function sa.zarr --in a.zarr --out o.zarr", 1,
                 "not written by imgop illumination");
  run("correct-illumination --function f.zarr --in c.zarr --select c=0 --out o.zarr");
}

}  // namespace
}  // namespace tierhub::imaging
