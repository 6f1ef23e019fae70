// Which objects lie in which, compared with a plain implementation.
#include "imaging/labels/relation.h"

#include <map>

#include <gtest/gtest.h>

#include "imaging/labels/finished.h"
#include "tests/unit/imaging/blockwise.h"
#include "tests/unit/imaging/volumes.h"

namespace tierhub::imaging {
namespace {

using test::ScratchFolder;

// Boxes of labels, some of which hide others.
LabelVolume boxes_of_labels(std::mt19937_64& random, const Extent& shape, uint64_t most) {
  LabelVolume labels(shape);
  for (uint64_t i = random() % (most + 1); i > 0; --i) {
    const Box box = random_box(random, shape);
    for (uint64_t z = box.z.begin; z < box.z.end; ++z)
      for (uint64_t y = box.y.begin; y < box.y.end; ++y)
        for (uint64_t x = box.x.begin; x < std::min(box.x.end, box.x.begin + 4); ++x)
          labels.at(z, y, x) = static_cast<uint32_t>(i);
  }
  return labels;
}

TEST(Relation, IsThatOfMostVoxelsWhateverTheParts) {
  const ScratchFolder folder;
  uint64_t ties = 0, orphans = 0, related = 0;
  constexpr uint64_t kCases = 200;
  for (uint64_t seed = 1; seed <= kCases; ++seed) {
    std::mt19937_64 random(seed);
    const Extent shape = random_shape(random, 16);
    const LabelVolume child = boxes_of_labels(random, shape, 12);
    const LabelVolume parent = boxes_of_labels(random, shape, 6);
    write_volume(folder / "c.zarr", child);
    write_volume(folder / "p.zarr", parent);
    const FinishedLabels children =
        must(open_finished_labels(folder / "c.zarr", folder / "out", Parallel(1)));
    const FinishedLabels parents =
        must(open_finished_labels(folder / "p.zarr", folder / "out", Parallel(2)));
    const auto parts = must(
        formats::tile(whole_box(shape), {1 + random() % shape.z, 1 + shape.y / (1 + random() % 4),
                                         1 + shape.x / (1 + random() % 4)}));
    const std::vector<Parent> found =
        must(find_parents(children.labels(), parents.labels(), parts));
    const std::vector<Children> counted =
        children_of(children.labels(), found, parents.labels().objects().size());

    std::map<uint32_t, uint64_t> sizes, parents_seen;
    std::map<uint32_t, std::map<uint32_t, uint64_t>> overlaps;
    for (size_t i = 0; i < child.voxels.size(); ++i) {
      if (parent.voxels[i] != 0) ++parents_seen[parent.voxels[i]];
      if (child.voxels[i] == 0) continue;
      ++sizes[child.voxels[i]];
      if (parent.voxels[i] != 0) ++overlaps[child.voxels[i]][parent.voxels[i]];
    }
    ASSERT_EQ(children.labels().count(), sizes.size());
    ASSERT_EQ(parents.labels().count(), parents_seen.size());
    std::map<uint32_t, Children> expected;
    for (const auto& [label, voxels] : sizes) {
      Parent best;
      for (const auto& [candidate, overlap] : overlaps[label]) {
        ties += overlap == best.overlap;
        if (overlap > best.overlap) best = {candidate, overlap};
      }
      ASSERT_EQ(found[label - 1].label, best.label) << "seed " << seed << " label " << label;
      ASSERT_EQ(found[label - 1].overlap, best.overlap) << "seed " << seed << " label " << label;
      orphans += best.label == 0;
      related += best.label != 0;
      if (best.label == 0) continue;
      ++expected[best.label].count;
      expected[best.label].voxels += voxels;
    }
    for (size_t i = 0; i < counted.size(); ++i) {
      const Children& one = expected[static_cast<uint32_t>(i + 1)];
      ASSERT_EQ(counted[i].count, one.count) << "seed " << seed << " label " << i + 1;
      ASSERT_EQ(counted[i].voxels, one.voxels) << "seed " << seed << " label " << i + 1;
    }
  }
  // The cases are worth something.
  EXPECT_GT(ties, kCases / 10);
  EXPECT_GT(orphans, kCases / 4);
  EXPECT_GT(related, kCases);
}

}  // namespace
}  // namespace tierhub::imaging
