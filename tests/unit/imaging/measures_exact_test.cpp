// What is measured in blocks, and added, is what is measured in the whole, to the last digit.
#include <gtest/gtest.h>

#include "imaging/measures/whole.h"
#include "tests/unit/imaging/blockwise.h"
#include "tests/unit/imaging/volumes.h"

namespace tierhub::imaging {
namespace {

using test::ScratchFolder;

// Of other programs: with gaps between their numbers, and objects of several parts.
LabelVolume labels_of_others(std::mt19937_64& random, const Extent& shape) {
  LabelVolume labels(shape);
  for (uint32_t label = 1; label <= 7; ++label) {
    for (int part = 0; part < 2; ++part) {
      Box box = random_box(random, shape);
      box.y.end = std::min(box.y.end, box.y.begin + 10);
      box.x.end = std::min(box.x.end, box.x.begin + 10);
      for (uint64_t z = box.z.begin; z < box.z.end; ++z)
        for (uint64_t y = box.y.begin; y < box.y.end; ++y)
          for (uint64_t x = box.x.begin; x < box.x.end; ++x)
            if (random() % 4 != 0) labels.at(z, y, x) = label * label * 60000;
    }
  }
  return labels;
}

MeasurePlan random_plan(std::mt19937_64& random, const Box& covered) {
  MeasurePlan plan;
  plan.covered = covered;
  plan.shape = random() % 3 != 0;
  if (random() % 2 == 0) plan.neighbours = static_cast<double>(random() % 60) / 10;
  const size_t channels = random() % 3;
  if (channels > 0) plan.channels.push_back({"", "a", 0, 0, 0, {}});
  if (channels > 1) plan.channels.push_back({"b_", "b", 0, 0, 0, {}});
  plan.is_pair = channels > 1;
  if (random() % 2 == 0) plan.thresholds = {random() % 300, random() % 3000};
  for (ChannelPlan& channel : plan.channels)
    if (random() % 3 == 0) channel.scale = {-0.3, 0.001 * static_cast<double>(1 + random() % 9)};
  return plan;
}

TEST(Measures, OfBlocksEqualThoseOfTheWhole) {
  const ScratchFolder folder;
  size_t objects = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    std::mt19937_64 random(seed);
    const Extent shape = random_shape(random, 24);
    const Box all = whole_box(shape);
    const formats::VoxelSize size{seed % 4 == 0 ? 2.5 : 1, 1, 1};
    write_volume(folder / "labels.zarr", labels_of_others(random, shape), {4, 8, 8}, size);
    write_volume(folder / "a.zarr", random_volume(random, shape), {4, 8, 8}, size);
    write_volume(folder / "b.zarr", random_volume(random, shape), {4, 8, 8}, size);
    const LabelSource labels = must(LabelSource::open(folder / "labels.zarr"));
    const MeasurePlan plan = random_plan(random, all);
    std::vector<ImageReader> images;
    for (const ChannelPlan& channel : plan.channels)
      images.push_back(must(ImageReader::open(folder / channel.image + ".zarr")));
    LabelRecord record = labels.record();
    const std::string whole = measure_table(must(measure_whole(
        labels, images, plan, record, labels.info(), folder / "t.csv", Parallel(1 + seed % 3))));
    size_t i = 0;
    for (const Box& box : must(formats::tile(
             all, {1 + random() % shape.z, 1 + random() % shape.y, 1 + random() % shape.x}))) {
      record.box = box;
      must(write_sums(must(measure_box(labels, images, plan, record, Parallel(1))),
                      fmt::format("{}/sums{}/{}.sums", folder.path(), seed, 999 - i++)));
    }
    const std::string blocks = measure_table(
        must(add_sums(must(open_sums(fmt::format("{}/sums{}", folder.path(), seed))), {})));
    ASSERT_EQ(blocks, whole) << "seed " << seed;
    objects += static_cast<size_t>(std::count(whole.begin(), whole.end(), '\n')) - 1;
  }
  EXPECT_GT(objects, 500u);
}

}  // namespace
}  // namespace tierhub::imaging
