// Blocked runs must equal the run on the whole volume bit for bit, whatever the blocks are.
#include <gtest/gtest.h>

#include "imaging/images/synth.h"
#include "tests/unit/imaging/volumes.h"

namespace tierhub::imaging {
namespace {

using test::ScratchFolder;

constexpr uint64_t kSeeds = 50;

TEST(Blocks, EqualTheWholeForFiftySeedsAndFourBlockSizes) {
  const ScratchFolder folder;
  uint64_t objects = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const Extent shape{12 + seed % 5, 21 + seed % 7, 30 - seed % 6};
    write_volume(folder / "image.zarr", speckle(shape, seed));
    const Connectivity connectivity = seed % 2 == 0 ? Connectivity::full : Connectivity::face;
    const double sigma = seed % 3 == 0 ? 1.4 : 0.8;
    const RunResult whole =
        segment_at_once(folder / "image.zarr", folder.path(), sigma, connectivity);
    objects += whole.objects;
    for (const Extent& block :
         {Extent{5, 8, 9}, Extent{8, 8, 30}, Extent{3, 30, 11}, Extent{40, 7, 40}}) {
      const RunResult blocked =
          segment_in_blocks(folder / "image.zarr", folder.path(), block, sigma, connectivity);
      ASSERT_EQ(blocked.table, whole.table)
          << "seed " << seed << " block " << formats::to_text(block);
      ASSERT_EQ(blocked.labels, whole.labels)
          << "seed " << seed << " block " << formats::to_text(block);
    }
  }
  EXPECT_GT(objects, 20 * kSeeds);
}

TEST(Nuclei, EqualTheWholeInAnyBlocks) {
  const ScratchFolder folder;
  uint64_t objects = 0, split = 0;
  constexpr uint64_t kCases = 200;
  for (uint64_t seed = 1; seed <= kCases; ++seed) {
    std::mt19937_64 random(seed);
    const auto up_to = [&](uint64_t most) { return 1 + random() % most; };
    const bool is_plane = seed % 3 == 0;
    const Extent shape{is_plane ? 1 : 3 + up_to(9), up_to(30), up_to(34)};
    const double diameter = 3 + static_cast<double>(random() % 50) / 10;
    write_volume(folder / "image.zarr", balls(shape, seed, diameter / 2));
    const ImageReader reader = must(ImageReader::open(folder / "image.zarr"));
    NucleusRule rule = test_rule(reader, diameter);
    if (seed % 7 == 0) rule.pieces.max_extent = 8;
    if (seed % 5 == 0) rule.pieces.steps.z = 37;
    if (seed % 4 == 0) rule.filter.exclude_border = true;
    const RunResult whole = nuclei_at_once(folder / "image.zarr", folder.path(), rule);
    objects += whole.objects;
    rule.pieces.h = 0;
    split += nuclei_at_once(folder / "image.zarr", folder.path(), rule).objects != whole.objects;
    rule.pieces.h = 0.03 * diameter;
    const RunResult blocked = nuclei_in_blocks(folder / "image.zarr", folder.path(), rule,
                                               {up_to(shape.z), up_to(shape.y), up_to(shape.x)},
                                               {up_to(shape.z), up_to(shape.y), up_to(shape.x)});
    ASSERT_EQ(blocked.table, whole.table) << "seed " << seed;
    ASSERT_EQ(blocked.labels, whole.labels) << "seed " << seed;
  }
  // The cases are worth something.
  EXPECT_GT(objects, 3 * kCases);
  EXPECT_GT(split, kCases / 4);
}

TEST(Synth, IsCountedToWithinATenthOfItsTruth) {
  const ScratchFolder folder;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    SynthOptions options;
    options.seed = seed;
    must(synthesise(options, folder / "vol.ome.zarr"));
    const RunResult run =
        segment_at_once(folder / "vol.ome.zarr", folder.path(), 2, Connectivity::full);
    EXPECT_GE(run.objects, options.nuclei * 9 / 10) << "seed " << seed;
    EXPECT_LE(run.objects, options.nuclei * 11 / 10) << "seed " << seed;
  }
}

}  // namespace
}  // namespace tierhub::imaging
