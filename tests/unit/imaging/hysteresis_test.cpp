// Objects that need a bright voxel: in blocks as on the whole, and as a plain implementation has
// it.
#include <gtest/gtest.h>

#include "tests/unit/imaging/blockwise.h"
#include "tests/unit/imaging/volumes.h"

namespace tierhub::imaging {
namespace {

using test::ScratchFolder;

// Components of what is above `low`, without those that are nowhere above `high`.
LabelVolume plain_hysteresis(const GreyVolume& smoothed, uint64_t low, uint64_t high,
                             Connectivity connectivity) {
  Labelled all = must(label_components(smoothed, low, connectivity));
  std::vector<uint16_t> brightest(all.count + 1);
  for (size_t i = 0; i < smoothed.voxels.size(); ++i) {
    uint16_t& most = brightest[all.labels.voxels[i]];
    most = std::max(most, smoothed.voxels[i]);
  }
  std::vector<uint32_t> number(all.count + 1);
  uint32_t next = 0;
  for (uint32_t label = 1; label <= all.count; ++label)
    number[label] = brightest[label] > high ? ++next : 0;
  for (uint32_t& label : all.labels.voxels) label = number[label];
  return std::move(all.labels);
}

TEST(Hysteresis, InAnyBlocksKeepsTheObjectsWithABrightVoxel) {
  const ScratchFolder folder;
  uint64_t kept = 0, left_out = 0;
  constexpr uint64_t kCases = 200;
  for (uint64_t seed = 1; seed <= kCases; ++seed) {
    std::mt19937_64 random(seed);
    const Extent shape = random_shape(random, seed % 3 == 0 ? 24 : 14);
    const Box all = whole_box(shape);
    const GreyVolume volume = speckle(shape, seed);
    write_volume(folder / "image.zarr", volume);
    const ImageReader reader = must(ImageReader::open(folder / "image.zarr"));
    SegmentOptions options = smoothed_by(seed % 2 == 0 ? 0 : 0.8,
                                         seed % 5 == 0 ? Connectivity::face : Connectivity::full);
    const GreyVolume smoothed = must(smooth(volume, all, all, options.sigma, shape));
    const auto some_voxel = [&] { return smoothed.voxels[random() % smoothed.voxels.size()]; };
    const uint64_t a = some_voxel(), b = std::max(some_voxel(), some_voxel());
    const Threshold low = given_threshold(std::min(a, b));
    options.high = std::max(a, b);

    const WholeLabels whole = must(segment_whole(reader, all, low, options, folder / "w.zarr"));
    ASSERT_EQ(must(whole.labels.read(all)),
              plain_hysteresis(smoothed, low.value, *options.high, options.connectivity))
        << "seed " << seed;
    kept += whole.labels.count();

    std::filesystem::remove_all(folder / "blocks");
    const Halo halo = must(needed_halo(options, shape));
    size_t i = 0;
    for (const Box& box : must(
             formats::tile(all, {1 + shape.z / (1 + random() % 3), 1 + shape.y / (1 + random() % 4),
                                 1 + shape.x / (1 + random() % 4)}))) {
      const LabelBlock block = must(segment_box(reader, box, halo, low, options));
      left_out += block.objects().sums.size();
      must(block.write(fmt::format("{}/{}.zarr", folder / "blocks", i++), Parallel(1)));
    }
    const MergedLabels merged =
        must(MergedLabels::merge(must(open_label_blocks(folder / "blocks")), {}, {}));
    ASSERT_EQ(written(merged, folder / "merged.zarr"), written(whole.labels, folder / "e.zarr"))
        << "seed " << seed;
    const MergedLabels again =
        must(MergedLabels::merge(must(open_label_blocks(folder / "merged.zarr")), {}, {}));
    ASSERT_EQ(again.objects(), merged.objects()) << "seed " << seed;
  }
  // The cases are worth something.
  EXPECT_GT(kept, kCases);
  EXPECT_GT(left_out, 2 * kept);
}

TEST(Hysteresis, LeavesWhatIsSplitAfterwardsAlone) {
  const ScratchFolder folder;
  write_volume(folder / "image.zarr", balls({1, 40, 50}, 3, 4));
  const ImageReader reader = must(ImageReader::open(folder / "image.zarr"));
  const Box all = whole_box({1, 40, 50});
  SegmentOptions options = smoothed_by(0.8);
  options.high = 300;
  const WholeLabels whole =
      must(segment_whole(reader, all, given_threshold(200), options, folder / "w.zarr"));
  ASSERT_GT(whole.labels.count(), 0u);
  PieceOptions pieces;
  pieces.h = 0;
  std::vector<LabelBlock> block;
  block.push_back(must(find_pieces(whole.labels, must(reader.read_grey(all)), all, pieces)));
  EXPECT_EQ(must(MergedLabels::merge(std::move(block), {}, {})).count(), whole.labels.count());
}

TEST(Hysteresis, RefusesAHighThresholdThatIsTheLowerOne) {
  const ScratchFolder folder;
  write_volume(folder / "image.zarr", speckle({1, 9, 9}, 1));
  const ImageReader reader = must(ImageReader::open(folder / "image.zarr"));
  SegmentOptions options = smoothed_by(0);
  options.high = 99;
  const auto labels =
      segment_whole(reader, whole_box({1, 9, 9}), given_threshold(100), options, folder / "w.zarr");
  ASSERT_FALSE(labels);
  EXPECT_NE(labels.error().text().find("99, is below the threshold, 100"), std::string::npos);
}

}  // namespace
}  // namespace tierhub::imaging
