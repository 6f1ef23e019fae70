#include "imaging/voxels/arithmetic.h"

#include "tests/unit/imaging/blockwise.h"

namespace tierhub::imaging {
namespace {

constexpr Operation kAll[] = {Operation::add,      Operation::subtract, Operation::difference,
                              Operation::multiply, Operation::divide,   Operation::minimum,
                              Operation::maximum,  Operation::average};

// In integers: numerator and divisor, then rounded half up and cut.
uint16_t exactly(int64_t a, int64_t b, Operation operation, int64_t most) {
  int64_t number = 0, divisor = 1;
  switch (operation) {
    case Operation::add:
      number = a + b;
      break;
    case Operation::subtract:
      number = a - b;
      break;
    case Operation::difference:
      number = std::abs(a - b);
      break;
    case Operation::multiply:
      number = a * b;
      break;
    case Operation::divide:
      if (b == 0) return 0;
      number = a;
      divisor = b;
      break;
    case Operation::minimum:
      number = std::min(a, b);
      break;
    case Operation::maximum:
      number = std::max(a, b);
      break;
    case Operation::average:
      number = a + b;
      divisor = 2;
      break;
  }
  const int64_t rounded = number < 0 ? 0 : (2 * number + divisor) / (2 * divisor);
  return static_cast<uint16_t>(std::min(rounded, most));
}

TEST(Arithmetic, IsExactInIntegers) {
  for (uint64_t seed = 1; seed <= 250; ++seed) {
    std::mt19937_64 random(seed);
    const Extent shape = random_shape(random, 12);
    const GreyVolume a = random_volume(random, shape), b = random_volume(random, shape);
    Formula formula{kAll[seed % 8]};
    formula.most = seed % 3 == 0 ? 255 : 65535;
    const auto number = static_cast<uint16_t>(random() % 300);
    const GreyVolume both = calculate(a, b, formula, Parallel(1 + seed % 3));
    const GreyVolume with_number = calculate(a, number, formula);
    for (size_t i = 0; i < a.voxels.size(); ++i) {
      ASSERT_EQ(both.voxels[i], exactly(a.voxels[i], b.voxels[i], formula.operation, formula.most))
          << "seed " << seed << ": " << a.voxels[i] << ", " << b.voxels[i];
      ASSERT_EQ(with_number.voxels[i],
                exactly(a.voxels[i], number, formula.operation, formula.most))
          << "seed " << seed;
    }
    const Box whole = whole_box(shape), block = random_box(random, shape);
    ASSERT_EQ(calculate(crop(a, whole, block), crop(b, whole, block), formula),
              crop(both, whole, block))
        << "seed " << seed;
  }
}

uint16_t of_one(uint16_t a, double b, const Formula& formula) {
  GreyVolume volume({1, 1, 1});
  volume.voxels[0] = a;
  return calculate(volume, b, formula).voxels[0];
}

TEST(Arithmetic, ScalesAndShiftsBeforeItRounds) {
  EXPECT_EQ(of_one(1, 3, {Operation::divide, 1000, 0}), 333);
  EXPECT_EQ(of_one(2, 3, {Operation::divide, 1000, 0.5}), 667);
  EXPECT_EQ(of_one(5, 0.5, {Operation::multiply, 1, 0}), 3) << "a half is rounded up";
  EXPECT_EQ(of_one(5, 0, {Operation::divide, 1000, 7}), 0) << "divided by 0";
  EXPECT_EQ(of_one(5, 7, {Operation::subtract, 1, 32768}), 32766) << "a signed difference";
  EXPECT_EQ(of_one(65535, 1e9, {Operation::multiply, 1e9, 0}), 65535);
  EXPECT_EQ(of_one(65535, -1e9, {Operation::multiply, 1e9, 0}), 0);
  EXPECT_EQ(of_one(10, 0.049999999999999996, {Operation::multiply, 1, 0}), 0)
      << "adding a half first would give 1";
}

}  // namespace
}  // namespace tierhub::imaging
