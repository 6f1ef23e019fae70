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
