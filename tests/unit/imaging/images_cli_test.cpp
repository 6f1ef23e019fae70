// The commands of imgop that make images out of images, as the shell runs them.
#include <gtest/gtest.h>

#include "tests/unit/imaging/program.h"
#include "tests/unit/imaging/volumes.h"

namespace tierhub::imaging {
namespace {

using formats::PixelType;

class ImgopImages : public ::testing::Test {
 protected:
  std::string at(const std::string& name) const { return folder_ / name; }

  // Runs a command that must succeed. Words that end in .zarr or .png are names in the folder.
  std::string run(const std::string& command) const {
    const Outcome outcome = imgop(in_folder(command));
    EXPECT_EQ(outcome.exit_code, 0) << command << "\n" << outcome.text;
    return outcome.text;
  }
  void expect_refused(const std::string& command, int exit_code, const std::string& words) const {
    const Outcome outcome = imgop(in_folder(command));
    EXPECT_EQ(outcome.exit_code, exit_code) << command << "\n" << outcome.text;
    EXPECT_NE(outcome.text.find(words), std::string::npos) << command << "\n" << outcome.text;
  }

  // `command` on blocks of `shape`, cut into `size`, then the smaller levels: as at once.
  void expect_blocks_equal(const std::string& command, const Extent& shape, const Extent& size,
                           const std::string& whole, const std::string& pyramid = "") const {
    std::filesystem::remove_all(at("blocks.zarr"));
    for (const Box& box : must(formats::tile(whole_box(shape), size)))
      run(command + " --box " + formats::to_text(box) + " --halo z=0 --out blocks.zarr");
    run("pyramid --image blocks.zarr" + pyramid);
    EXPECT_EQ(files_below(at("blocks.zarr")), files_below(at(whole))) << command;
  }

  static GreyVolume grey(const std::string& path) {
    const ImageReader reader = must(ImageReader::open(path));
    return must(reader.read_grey(must(formats::whole_volume(reader.info()))));
  }
  static LabelVolume wide(const std::string& path) {
    const ImageReader reader = must(ImageReader::open(path));
    return must(reader.read_labels(must(formats::whole_volume(reader.info()))));
  }
  static formats::ImageInfo info(const std::string& path) {
    return must(ImageReader::open(path)).info();
  }

  test::ScratchFolder folder_;

 private:
  std::string in_folder(const std::string& command) const {
    std::istringstream words(command);
    std::string all;
    for (std::string word; words >> word;)
      all += (word.ends_with(".zarr") || word.ends_with(".png") ? at(word) : word) + " ";
    return all;
  }
};

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

}  // namespace
}  // namespace tierhub::imaging
