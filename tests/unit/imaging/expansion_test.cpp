// Objects around objects: in blocks as on the whole, and with the numbers of what they are around.
#include "imaging/labels/expansion.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "imaging/voxels/expand.h"
#include "tests/unit/imaging/blockwise.h"
#include "tests/unit/imaging/volumes.h"

namespace tierhub::imaging {
namespace {

using test::ScratchFolder;

// Small clumps of some labels, with numbers left out, as another program may have made them.
LabelVolume random_labels(std::mt19937_64& random, const Extent& shape) {
  LabelVolume labels(shape);
  const uint64_t most = 1 + random() % 12;
  for (uint64_t i = 0; i < most; ++i) {
    const Box clump = random_box(random, shape);
    const auto label = static_cast<uint32_t>(1 + random() % (2 * most));
    for (uint64_t z = clump.z.begin; z < std::min(clump.z.end, clump.z.begin + 3); ++z)
      for (uint64_t y = clump.y.begin; y < std::min(clump.y.end, clump.y.begin + 4); ++y)
        for (uint64_t x = clump.x.begin; x < std::min(clump.x.end, clump.x.begin + 4); ++x)
          labels.at(z, y, x) = label;
  }
  return labels;
}

// What it must be, from the functions on the volume in memory.
LabelVolume expected_of(const LabelVolume& labels, const GreyVolume& image,
                        const ExpansionOptions& options) {
  const Box whole = whole_box(labels.extent);
  LabelVolume expanded = options.from
                             ? must(ring_labels(labels, whole, whole, *options.from,
                                                options.distance, options.steps, labels.extent))
                             : must(expand_labels(labels, whole, whole, options.distance,
                                                  options.steps, labels.extent));
  for (size_t i = 0; i < labels.voxels.size(); ++i) {
    if (options.threshold && labels.voxels[i] == 0 && image.voxels[i] <= *options.threshold)
      expanded.voxels[i] = 0;
  }
  return expanded;
}

// The rows of the objects that are there must be those of the voxels, the others empty.
void expect_sums(const std::vector<ObjectSums>& objects, const LabelVolume& labels,
                 const GreyVolume* image) {
  std::vector<ObjectSums> sums(objects.size());
  for (size_t i = 0; i < labels.voxels.size(); ++i) {
    if (labels.voxels[i] == 0) continue;
    ASSERT_LE(labels.voxels[i], sums.size());
    ObjectSums& one = sums[labels.voxels[i] - 1];
    ++one.voxels;
    if (image != nullptr) one.sum_intensity += image->voxels[i];
  }
  ASSERT_TRUE(objects.empty() || objects.back().voxels > 0);
  for (size_t i = 0; i < objects.size(); ++i) {
    EXPECT_EQ(objects[i].voxels, sums[i].voxels) << "label " << i + 1;
    EXPECT_EQ(objects[i].sum_intensity, sums[i].sum_intensity) << "label " << i + 1;
  }
}

TEST(Expansion, InAnyBlocksIsThatOfTheWholeAndKeepsNumbers) {
  const ScratchFolder folder;
  uint64_t gaps = 0, restricted = 0;
  constexpr uint64_t kCases = 200;
  for (uint64_t seed = 1; seed <= kCases; ++seed) {
    std::mt19937_64 random(seed);
    const Extent shape = random_shape(random, seed % 3 == 0 ? 24 : 14);
    const LabelVolume labels = random_labels(random, shape);
    const GreyVolume image = random_volume(random, shape);
    write_volume(folder / "labels.zarr", labels);
    write_volume(folder / "image.zarr", image);
    const LabelSource source = must(LabelSource::open(folder / "labels.zarr"));
    const ImageReader reader = must(ImageReader::open(folder / "image.zarr"));
    std::optional<MeasuredImage> measured;
    if (seed % 2 == 0) measured.emplace(MeasuredImage{reader, whole_box(shape)});
    ExpansionOptions options;
    options.distance = static_cast<double>(random() % 60) / 10;
    if (seed % 3 == 0) options.from = options.distance * static_cast<double>(random() % 3) / 3;
    if (seed % 4 == 2) options.threshold = image.voxels[random() % image.voxels.size()];
    if (seed % 5 == 0) options.steps.z = static_cast<uint32_t>(8 + random() % 60);

    const WholeLabels whole = must(expand_whole(source, measured, options, folder / "whole.zarr"));
    const LabelVolume expected = expected_of(labels, image, options);
    ASSERT_EQ(must(whole.labels.read(whole.labels.record().box)).voxels, expected.voxels)
        << "seed " << seed;
    expect_sums(whole.labels.objects(), expected, measured ? &image : nullptr);
    gaps += whole.labels.count() != whole.labels.objects().size();
    restricted += options.threshold && expected != labels;

    std::filesystem::remove_all(folder / "blocks");
    const auto side = [&](uint64_t length) { return 1 + random() % length; };
    const Extent block{side(shape.z), side(shape.y), side(shape.x)};
    size_t i = 0;
    std::vector<Box> boxes = must(formats::tile(
        whole_box(shape), {std::max(block.z, shape.z / 3), std::max(block.y, shape.y / 4),
                           std::max(block.x, shape.x / 4)}));
    std::shuffle(boxes.begin(), boxes.end(), random);
    for (const Box& box : boxes)
      must(must(expand_box(source, measured, box, options))
               .write(fmt::format("{}/{}.zarr", folder / "blocks", i++), Parallel(1)));
    const MergedLabels merged =
        must(MergedLabels::merge(must(open_label_blocks(folder / "blocks")), {}, {}));
    ASSERT_EQ(written(merged, folder / "merged.zarr"),
              written(whole.labels, folder / "expected.zarr"))
        << "seed " << seed;
    // Opened again, a finished expansion is the same.
    const MergedLabels again =
        must(MergedLabels::merge(must(open_label_blocks(folder / "merged.zarr")), {}, {}));
    ASSERT_EQ(again.objects(), merged.objects()) << "seed " << seed;
  }
  // The cases are worth something.
  EXPECT_GT(gaps, kCases / 4);
  EXPECT_GT(restricted, kCases / 10);
}

TEST(Expansion, WithoutSomeObjectsKeepsTheNumbersOfTheOthers) {
  const ScratchFolder folder;
  LabelVolume labels({1, 20, 40});
  labels.at(0, 5, 5) = 2;
  labels.at(0, 10, 20) = 5;
  labels.at(0, 10, 21) = 5;
  labels.at(0, 15, 35) = 7;
  write_volume(folder / "labels.zarr", labels);
  const LabelSource source = must(LabelSource::open(folder / "labels.zarr"));
  ExpansionOptions options;
  options.distance = 2;
  must(write_label_image(must(expand_whole(source, {}, options, folder / "e.zarr")).labels,
                         folder / "e.zarr", Parallel(1)));
  ObjectFilter filter;
  filter.min_voxels = 14;
  const MergedLabels larger =
      must(MergedLabels::merge(must(open_label_blocks(folder / "e.zarr")), {}, filter));
  EXPECT_EQ(larger.count(), 1u);
  ASSERT_EQ(larger.objects().size(), 5u);
  EXPECT_EQ(larger.objects()[4].voxels, 18u);
  const LabelVolume left = must(larger.read(larger.record().box));
  const std::set<uint32_t> present(left.voxels.begin(), left.voxels.end());
  EXPECT_EQ(present, (std::set<uint32_t>{0, 5}));
  const std::string table = object_table(larger.objects(), larger.record());
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 2) << table;
  EXPECT_EQ(table.find("intensity"), std::string::npos) << table;
}

TEST(Expansion, RefusesNumbersWithHugeGaps) {
  const ScratchFolder folder;
  LabelVolume labels({1, 5, 5});
  labels.at(0, 2, 2) = 4'000'000'000;
  write_volume(folder / "labels.zarr", labels);
  const LabelSource source = must(LabelSource::open(folder / "labels.zarr"));
  const auto expanded = expand_whole(source, {}, {}, folder / "e.zarr");
  ASSERT_FALSE(expanded);
  EXPECT_NE(expanded.error().text().find("labels up to 4000000000"), std::string::npos)
      << expanded.error().text();
}

TEST(Labels, OfWhichPiecesWereJoinedCanBeReadAgain) {
  const ScratchFolder folder;
  write_volume(folder / "image.zarr", balls({1, 40, 50}, 3, 4));
  const ImageReader reader = must(ImageReader::open(folder / "image.zarr"));
  const RunResult nuclei =
      nuclei_at_once(folder / "image.zarr", folder.path(), test_rule(reader, 8));
  EXPECT_GT(nuclei.objects, 3u);
  MergedLabels again =
      must(MergedLabels::merge(must(open_label_blocks(folder / "whole.zarr")), {}, {}));
  EXPECT_EQ(written(again, folder / "again.zarr"), nuclei);
  std::filesystem::create_directory(folder / "two");
  for (const char* name : {"two/a.zarr", "two/b.zarr"})
    std::filesystem::copy(folder / "whole.zarr", folder / name,
                          std::filesystem::copy_options::recursive);
  const auto both = MergedLabels::merge(must(open_label_blocks(folder / "two")), {}, {});
  ASSERT_FALSE(both);
  EXPECT_NE(both.error().text().find("finished labels"), std::string::npos) << both.error().text();
}

}  // namespace
}  // namespace tierhub::imaging
