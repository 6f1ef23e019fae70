#include "imaging/voxels/weigh_rows.h"

#include <random>

#include <gtest/gtest.h>

namespace tierhub::imaging {
namespace {

std::vector<VectorWidth> widths_of_this_machine() {
  std::vector<VectorWidth> widths = {VectorWidth::bytes_16};
  if (widest_vectors() == VectorWidth::bytes_32) widths.push_back(VectorWidth::bytes_32);
  return widths;
}

// volatile: each step is rounded to float.
template <class T>
float in_plain_order(const RowPairs<T>& rows, const std::vector<float>& taps, size_t x) {
  volatile float sum = static_cast<float>(rows.middle[x]) * taps[0];
  for (size_t r = 0; r + 1 < taps.size(); ++r) {
    volatile float pair =
        static_cast<float>(rows.before[r][x]) + static_cast<float>(rows.after[r][x]);
    volatile float product = pair * taps[r + 1];
    sum = sum + product;
  }
  return sum;
}

template <class T>
void compare_with_plain_order(uint64_t seed, T largest) {
  std::mt19937_64 random(seed);
  const size_t radius = random() % 9;
  const size_t size = 1 + random() % 300;
  std::vector<std::vector<T>> data(2 * radius + 1, std::vector<T>(size));
  for (std::vector<T>& row : data) {
    for (T& value : row)
      value = static_cast<T>(static_cast<double>(largest) * static_cast<double>(random() >> 11) /
                             0x1p53);
  }
  std::vector<float> taps(radius + 1);
  for (float& tap : taps) tap = static_cast<float>(static_cast<double>(random() >> 11) / 0x1p53);
  RowPairs<T> rows;
  rows.middle = data[radius].data();
  for (size_t r = 0; r < radius; ++r) {
    rows.before.push_back(data[radius - r - 1].data());
    rows.after.push_back(data[radius + r + 1].data());
  }
  std::vector<float> expected(size);
  for (size_t x = 0; x < size; ++x) expected[x] = in_plain_order(rows, taps, x);
  for (const VectorWidth width : widths_of_this_machine()) {
    std::vector<float> sums(size + 1, -1);
    weigh_rows(rows, taps, size, sums.data(), width);
    EXPECT_EQ(sums.back(), -1) << "wrote beyond the row, seed " << seed;
    sums.pop_back();
    EXPECT_EQ(sums, expected) << "seed " << seed;
  }
}

TEST(WeighRows, SumsInTheDocumentedOrderWithEveryVectorWidth) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    compare_with_plain_order<uint16_t>(seed, 65535);
    compare_with_plain_order<float>(seed, 65535.0f);
  }
}

}  // namespace
}  // namespace tierhub::imaging
