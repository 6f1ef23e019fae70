#include <gtest/gtest.h>

#include "imaging/labels/segment.h"
#include "tests/unit/imaging/volumes.h"

namespace tierhub::imaging {
namespace {

using test::ScratchFolder;

struct Voxel {
  uint64_t z, y, x;
};

GreyVolume with(const Extent& shape, const std::vector<Voxel>& voxels) {
  GreyVolume volume(shape);
  for (const Voxel& v : voxels) volume.at(v.z, v.y, v.x) = 100;
  return volume;
}

// Segments without smoothing in blocks of 4 voxels a side; checks that the whole volume gives the
// same.
uint64_t count(const GreyVolume& volume, Connectivity connectivity) {
  const ScratchFolder folder;
  write_volume(folder / "image.zarr", volume);
  const RunResult whole =
      segment_at_once(folder / "image.zarr", folder.path(), 0, connectivity, 50);
  const RunResult blocked =
      segment_in_blocks(folder / "image.zarr", folder.path(), {4, 4, 4}, 0, connectivity, 50);
  EXPECT_EQ(blocked.table, whole.table);
  EXPECT_EQ(blocked.labels, whole.labels);
  return blocked.objects;
}

TEST(Merge, JoinsAUWhoseLegsMeetOnlyInAThirdBlock) {
  // Legs at x = 1 and x = 6 lie in two blocks; the bottom, at y = 5, is in the two below.
  std::vector<Voxel> voxels;
  for (uint64_t y = 0; y <= 5; ++y) voxels.insert(voxels.end(), {{1, y, 1}, {1, y, 6}});
  for (uint64_t x = 1; x <= 6; ++x) voxels.push_back({1, 5, x});
  EXPECT_EQ(count(with({4, 8, 8}, voxels), Connectivity::face), 1u);
  std::erase_if(voxels, [](const Voxel& v) { return v.y == 5 && v.x == 4; });
  EXPECT_EQ(count(with({4, 8, 8}, voxels), Connectivity::face), 2u);
}

TEST(Merge, FollowsASnakeThroughEightBlocks) {
  // Visits the blocks of a 2 x 2 x 2 grid one after the other, each once.
  std::vector<Voxel> corners = {{1, 1, 1}, {1, 1, 6}, {1, 6, 6}, {1, 6, 1},
                                {6, 6, 1}, {6, 6, 6}, {6, 1, 6}, {6, 1, 1}};
  std::vector<Voxel> voxels;
  for (size_t i = 0; i + 1 < corners.size(); ++i) {
    Voxel at = corners[i];
    const Voxel& to = corners[i + 1];
    const auto step = [](uint64_t from, uint64_t target) {
      return from < target ? from + 1 : from > target ? from - 1 : from;
    };
    while (at.z != to.z || at.y != to.y || at.x != to.x) {
      voxels.push_back(at);
      at = {step(at.z, to.z), step(at.y, to.y), step(at.x, to.x)};
    }
  }
  voxels.push_back(corners.back());
  EXPECT_EQ(count(with({8, 8, 8}, voxels), Connectivity::face), 1u);
  EXPECT_EQ(count(with({8, 8, 8}, voxels), Connectivity::full), 1u);
}

TEST(Merge, JoinsAcrossAFaceAnEdgeAndACornerAsTheConnectivitySays) {
  const Extent shape{8, 8, 8};
  const GreyVolume face = with(shape, {{1, 1, 3}, {1, 1, 4}});
  EXPECT_EQ(count(face, Connectivity::face), 1u);
  EXPECT_EQ(count(face, Connectivity::full), 1u);
  // Each diagonal, in both directions.
  for (const GreyVolume& edge :
       {with(shape, {{1, 3, 3}, {1, 4, 4}}), with(shape, {{1, 3, 4}, {1, 4, 3}}),
        with(shape, {{3, 1, 3}, {4, 1, 4}}), with(shape, {{3, 1, 4}, {4, 1, 3}}),
        with(shape, {{3, 3, 1}, {4, 4, 1}}), with(shape, {{3, 4, 1}, {4, 3, 1}})}) {
    EXPECT_EQ(count(edge, Connectivity::face), 2u);
    EXPECT_EQ(count(edge, Connectivity::full), 1u);
  }
  for (const GreyVolume& corner :
       {with(shape, {{3, 3, 3}, {4, 4, 4}}), with(shape, {{3, 3, 4}, {4, 4, 3}}),
        with(shape, {{3, 4, 3}, {4, 3, 4}}), with(shape, {{3, 4, 4}, {4, 3, 3}})}) {
    EXPECT_EQ(count(corner, Connectivity::face), 2u);
    EXPECT_EQ(count(corner, Connectivity::full), 1u);
  }
}

TEST(Merge, JoinsDiagonallyInsideAFace) {
  // Both voxels lie at the face between two blocks, but touch along an edge only.
  const GreyVolume volume = with({4, 4, 8}, {{1, 1, 3}, {1, 2, 4}});
  EXPECT_EQ(count(volume, Connectivity::face), 2u);
  EXPECT_EQ(count(volume, Connectivity::full), 1u);
}

TEST(Merge, HandlesBlocksOfOneVoxelAndVolumesWithoutObjects) {
  const ScratchFolder folder;
  const GreyVolume volume = speckle({3, 5, 4}, 3);
  write_volume(folder / "image.zarr", volume);
  const RunResult whole =
      segment_at_once(folder / "image.zarr", folder.path(), 0, Connectivity::full, 1000);
  const RunResult blocked = segment_in_blocks(folder / "image.zarr", folder.path(), {1, 1, 1}, 0,
                                              Connectivity::full, 1000);
  EXPECT_EQ(blocked, whole);
  EXPECT_EQ(count(GreyVolume({4, 4, 9}), Connectivity::full), 0u);
}

TEST(Blocks, EqualTheWholeWithSmoothing) {
  const ScratchFolder folder;
  for (const Extent& shape : {Extent{14, 20, 24}, Extent{1, 40, 37}, Extent{2, 3, 50}}) {
    write_volume(folder / "image.zarr", speckle(shape, shape.x));
    const RunResult whole =
        segment_at_once(folder / "image.zarr", folder.path(), 1.2, Connectivity::full);
    EXPECT_GT(whole.objects, 0u);
    for (const Extent& block : {Extent{6, 8, 9}, Extent{20, 5, 50}}) {
      EXPECT_EQ(
          segment_in_blocks(folder / "image.zarr", folder.path(), block, 1.2, Connectivity::full),
          whole)
          << formats::to_text(shape) << " in blocks " << formats::to_text(block);
    }
  }
}

class BadBlocks : public ::testing::Test {
 protected:
  void SetUp() override {
    write_volume(folder_ / "image.zarr", speckle({8, 8, 8}, 1));
    reader_.emplace(must(ImageReader::open(folder_ / "image.zarr")));
    boxes_ = must(formats::tile(whole_box({8, 8, 8}), {4, 8, 8}));
  }
  void segment(const Box& box, const std::string& name, uint64_t threshold = 500) {
    const LabelBlock block =
        must(segment_box(*reader_, box, {}, given_threshold(threshold), smoothed_by(0)));
    must(block.write(folder_ / ("labels/" + name), Parallel(1)));
  }
  std::string merge() {
    auto blocks = open_label_blocks(folder_ / "labels");
    if (!blocks) return blocks.error().text();
    const auto result = MergedLabels::merge(*std::move(blocks), {}, {});
    if (result) return "";
    return result.error().text();
  }

  ScratchFolder folder_;
  std::optional<ImageReader> reader_;
  std::vector<Box> boxes_;
};

TEST_F(BadBlocks, AreMergedWhenTheyAreFine) {
  segment(boxes_[0], "0.zarr");
  segment(boxes_[1], "1.zarr");
  EXPECT_EQ(merge(), "");
}

TEST_F(BadBlocks, WithAGapAreRefused) {
  segment(boxes_[0], "0.zarr");
  EXPECT_NE(merge().find("no block covers the voxel z 4, y 0, x 0"), std::string::npos) << merge();
}

TEST_F(BadBlocks, ThatOverlapAreRefused) {
  segment(boxes_[0], "0.zarr");
  segment(boxes_[1], "1.zarr");
  segment(boxes_[1], "again.zarr");
  EXPECT_NE(merge().find("overlap"), std::string::npos);
}

TEST_F(BadBlocks, OfDifferentThresholdsAreRefused) {
  segment(boxes_[0], "0.zarr");
  segment(boxes_[1], "1.zarr", 501);
  EXPECT_NE(merge().find("threshold 501 instead of threshold 500"), std::string::npos);
}

TEST_F(BadBlocks, ThatAreSomethingElseAreRefused) {
  segment(boxes_[0], "0.zarr");
  segment(boxes_[1], "1.zarr");
  std::filesystem::copy(folder_ / "image.zarr", folder_ / "labels/2.zarr",
                        std::filesystem::copy_options::recursive);
  EXPECT_NE(merge().find("is not a labels folder"), std::string::npos);
}

TEST_F(BadBlocks, WithDamagedListsOfObjectsAreRefused) {
  segment(boxes_[0], "0.zarr");
  segment(boxes_[1], "1.zarr");
  for (const char* text : {"1 2 3\n", "x\n", "1 0 0 0 0 0 0 0 0 1 0 1 0 1\n",
                           "1 0 0 0 0 0 0 0 0 1 0 1 0 1", "0 0 0 0 0 0 0 0 0 1 0 1 0 1\n", ""}) {
    folder_.write("labels/0.zarr/objects.txt", text);
    EXPECT_NE(merge(), "") << text;
  }
}

TEST_F(BadBlocks, LeftUnfinishedAreNotSeen) {
  segment(boxes_[0], "0.zarr");
  segment(boxes_[1], "1.zarr");
  std::filesystem::create_directories(folder_ / "labels/.1.zarr.tmp-00000000/0");
  EXPECT_EQ(merge(), "");
}

TEST_F(BadBlocks, OfAPartNeedTheRegionToBeNamed) {
  segment(boxes_[1], "1.zarr");
  EXPECT_NE(merge().find("--select"), std::string::npos);
  EXPECT_TRUE(MergedLabels::merge(must(open_label_blocks(folder_ / "labels")),
                                  formats::selection_of(boxes_[1]), {}));
}

TEST_F(BadBlocks, WithAHaloBelowTheMinimumAreRefused) {
  const auto result =
      segment_box(*reader_, boxes_[0], {8, 8, 1}, given_threshold(500), smoothed_by(2));
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().text().find("z=7,y=7,x=7"), std::string::npos) << result.error().text();
}

TEST_F(BadBlocks, OfHistogramsAreRefused) {
  const auto write = [&](const Box& box, double sigma, const std::string& name) {
    must(write_output_file(folder_ / ("h/" + name),
                           to_json_text(must(compute_histogram(*reader_, box, sigma)))));
  };
  const auto text = [&] {
    const auto histogram = read_histograms(folder_ / "h", {});
    return histogram ? "" : histogram.error().text();
  };
  write(boxes_[0], 1, "0.json");
  EXPECT_NE(text().find("no block covers"), std::string::npos);
  write(boxes_[1], 1, "1.json");
  EXPECT_EQ(text(), "");
  write(boxes_[1], 2, "1.json");
  EXPECT_NE(text().find("sigma"), std::string::npos);
  write(boxes_[1], 1, "1.json");
  write(boxes_[0], 1, "2.json");
  EXPECT_NE(text().find("overlap"), std::string::npos);
  folder_.write("h/2.json", "{}");
  EXPECT_NE(text().find("not a file that imgop histogram wrote"), std::string::npos);
}

TEST(SegmentBox, KeepsTheSizeOfAVoxelAndThePlaceOfTheBox) {
  const ScratchFolder folder;
  write_volume(folder / "image.zarr", speckle({8, 8, 8}, 1), {8, 8, 8}, {2, 0.5, 0.25});
  const ImageReader reader = must(ImageReader::open(folder / "image.zarr"));
  const Box box{0, 0, 0, {4, 8}, {2, 8}, {4, 8}};
  const LabelBlock block = must(segment_box(reader, box, {}, given_threshold(500), smoothed_by(0)));
  must(block.write(folder / "labels.zarr", Parallel(1)));
  const auto json = formats::Json::parse(test::read_bytes(folder / "labels.zarr/.zattrs"));
  const auto& transformations = json["multiscales"][0]["datasets"][0]["coordinateTransformations"];
  EXPECT_EQ(transformations[0]["scale"], (std::vector<double>{2, 0.5, 0.25}));
  EXPECT_EQ(transformations[1]["translation"], (std::vector<double>{8, 1, 1}));
}

TEST(SegmentBox, ReadsNoChunkOutsideTheBoxAndItsHalo) {
  const ScratchFolder folder;
  write_volume(folder / "image.zarr", speckle({24, 40, 40}, 5), {4, 8, 8});
  const Box box{0, 0, 0, {4, 8}, {16, 24}, {32, 40}};
  const Halo halo{4, 4, 4};
  const auto segment = [&] {
    const ImageReader reader = must(ImageReader::open(folder / "image.zarr"));
    const LabelBlock block =
        must(segment_box(reader, box, halo, given_threshold(500), smoothed_by(1)));
    must(block.write(folder / "labels.zarr", Parallel(1)));
    return files_below(folder / "labels.zarr");
  };
  const auto before = segment();
  // Rubbish in place of every chunk outside, so that opening one of them would be seen; then
  // nothing at all.
  std::vector<std::string> outside;
  for (uint64_t z = 0; z < 6; ++z) {
    for (uint64_t y = 0; y < 5; ++y) {
      for (uint64_t x = 0; x < 5; ++x) {
        const bool is_needed = z <= 2 && y >= 1 && y <= 3 && x >= 3;
        if (!is_needed) outside.push_back(fmt::format("image.zarr/0/{}/{}/{}", z, y, x));
      }
    }
  }
  for (const std::string& name : outside) folder.write(name, "rubbish");
  EXPECT_EQ(segment(), before);
  for (const std::string& name : outside) std::filesystem::remove(folder / name);
  EXPECT_EQ(segment(), before);
}

}  // namespace
}  // namespace tierhub::imaging
