#include "imaging/voxels/resize.h"

#include "tests/unit/imaging/blockwise.h"

namespace tierhub::imaging {
namespace {

uint64_t of_cell(const GreyVolume& volume, const Extent& cell, uint64_t z, uint64_t y, uint64_t x,
                 Resize how) {
  if (how == Resize::nearest) return volume.at(z * cell.z, y * cell.y, x * cell.x);
  uint64_t sum = 0, count = 0;
  for (uint64_t i = z * cell.z; i < std::min((z + 1) * cell.z, volume.extent.z); ++i)
    for (uint64_t j = y * cell.y; j < std::min((y + 1) * cell.y, volume.extent.y); ++j)
      for (uint64_t k = x * cell.x; k < std::min((x + 1) * cell.x, volume.extent.x); ++k, ++count)
        sum += volume.at(i, j, k);
  return sum / count + (2 * (sum % count) >= count ? 1 : 0);
}

// Whole cells of an axis of `size` voxels.
formats::AxisRange random_cells(std::mt19937_64& random, uint64_t size, uint64_t cell) {
  const formats::AxisRange cells = random_range(random, cells_along(size, cell));
  return {cells.begin * cell, std::min(cells.end * cell, size)};
}

TEST(Resize, OfBlocksIsThatOfTheWhole) {
  for (uint64_t seed = 1; seed <= 250; ++seed) {
    std::mt19937_64 random(seed);
    const Extent shape = random_shape(random, 24);
    const auto factor = [&] { return uint64_t{1} << random() % 5; };
    const Extent cell{factor(), factor(), factor()};
    const Resize how = random() % 3 == 0 ? Resize::nearest : Resize::mean;
    const GreyVolume volume = random_volume(random, shape);
    const Box whole = whole_box(shape);
    const GreyVolume small = resize(volume, cell, how);
    ASSERT_EQ(small.extent, cells_in(shape, cell));
    for (uint64_t z = 0; z < small.extent.z; ++z)
      for (uint64_t y = 0; y < small.extent.y; ++y)
        for (uint64_t x = 0; x < small.extent.x; ++x)
          ASSERT_EQ(small.at(z, y, x), of_cell(volume, cell, z, y, x, how)) << "seed " << seed;
    const Box block{0,
                    0,
                    0,
                    random_cells(random, shape.z, cell.z),
                    random_cells(random, shape.y, cell.y),
                    random_cells(random, shape.x, cell.x)};
    const Box part{0,
                   0,
                   0,
                   {block.z.begin / cell.z, cells_along(block.z.end, cell.z)},
                   {block.y.begin / cell.y, cells_along(block.y.end, cell.y)},
                   {block.x.begin / cell.x, cells_along(block.x.end, cell.x)}};
    ASSERT_EQ(resize(crop(volume, whole, block), cell, how, Parallel(3)),
              crop(small, whole_box(small.extent), part))
        << "seed " << seed;
  }
}

TEST(Resize, OfLabelsKeepsTheirNumbers) {
  LabelVolume labels({2, 2, 3});
  labels.voxels = {70'000, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 4'000'000'000};
  EXPECT_EQ(resize(labels, {1, 2, 2}, Resize::nearest).voxels,
            (std::vector<uint32_t>{70'000, 2, 6, 8}));
  EXPECT_EQ(resize(labels, {2, 2, 2}, Resize::mean).voxels[1],
            (2 + 5 + 8 + 4'000'000'000u + 2) / 4);
}

}  // namespace
}  // namespace tierhub::imaging
