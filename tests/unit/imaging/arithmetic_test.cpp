#include "imaging/voxels/arithmetic.h"

#include <cmath>
#include <limits>
#include <span>

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

template <class T>
std::vector<T> random_numbers(std::mt19937_64& random, size_t size) {
  std::vector<T> numbers(size);
  for (T& number : numbers) {
    number = static_cast<T>(static_cast<int64_t>(random() % 2'000'000) -
                            (std::is_unsigned_v<T> ? 0 : 1'000'000));
    if constexpr (std::is_floating_point_v<T>) number /= 8;
    if (random() % 4 == 0) number = static_cast<T>(random() % 3);
  }
  return numbers;
}

// In eighths, of which products are sixty-fourths: whole numbers.
template <class A, class B>
void expect_exact_numbers(uint64_t seed, formats::PixelType type, formats::PixelType other_type) {
  std::mt19937_64 random(seed);
  const size_t size = 1 + random() % 3000;
  const std::vector<A> a = random_numbers<A>(random, size);
  const std::vector<B> b = random_numbers<B>(random, size);
  const Operation operation = kAll[seed % 8];
  std::vector<A> result = a;
  must(calculate_numbers(type, std::as_writable_bytes(std::span(result)), other_type,
                         std::as_bytes(std::span(b)), {operation}, Parallel(1 + seed % 3)));
  for (size_t i = 0; i < size; ++i) {
    if (operation == Operation::divide) {
      const double quotient = b[i] == 0 ? 0 : static_cast<double>(a[i]) / static_cast<double>(b[i]);
      if constexpr (std::is_floating_point_v<A>) {
        ASSERT_EQ(result[i], static_cast<A>(quotient));
      } else {
        const double cut = std::clamp<double>(quotient, std::numeric_limits<A>::lowest(),
                                              std::numeric_limits<A>::max());
        ASSERT_EQ(result[i], static_cast<A>(std::floor(cut + 0.5)));
      }
      continue;
    }
    const auto x = static_cast<int64_t>(static_cast<double>(a[i]) * 8);
    const auto y = static_cast<int64_t>(static_cast<double>(b[i]) * 8);
    int64_t parts = 0;  // in 64ths
    switch (operation) {
      case Operation::add:
        parts = (x + y) * 8;
        break;
      case Operation::subtract:
        parts = (x - y) * 8;
        break;
      case Operation::difference:
        parts = std::abs(x - y) * 8;
        break;
      case Operation::multiply:
        parts = x * y;
        break;
      case Operation::minimum:
        parts = std::min(x, y) * 8;
        break;
      case Operation::maximum:
        parts = std::max(x, y) * 8;
        break;
      case Operation::average:
        parts = (x + y) * 4;
        break;
      case Operation::divide:
        break;
    }
    if constexpr (std::is_floating_point_v<A>) {
      ASSERT_EQ(result[i], static_cast<A>(static_cast<double>(parts) / 64));
    } else {
      const int64_t rounded = (parts + 32) >> 6;
      const auto cut = std::clamp<__int128>(rounded, std::numeric_limits<A>::lowest(),
                                            std::numeric_limits<A>::max());
      ASSERT_EQ(result[i], static_cast<A>(cut));
    }
  }
  // The numbers of a block are those of the whole.
  const size_t begin = random() % size, end = begin + random() % (size - begin);
  std::vector<A> block(a.begin() + begin, a.begin() + end);
  must(calculate_numbers(type, std::as_writable_bytes(std::span(block)), other_type,
                         std::as_bytes(std::span(b)).subspan(begin * sizeof(B)), {operation}));
  ASSERT_TRUE(std::equal(block.begin(), block.end(), result.begin() + begin));
}

TEST(Arithmetic, IsExactInNumbersOfAnyType) {
  using formats::PixelType;
  constexpr PixelType kTypes[] = {PixelType::uint8,  PixelType::int8,   PixelType::uint16,
                                  PixelType::int16,  PixelType::uint32, PixelType::int32,
                                  PixelType::uint64, PixelType::int64,  PixelType::float32,
                                  PixelType::float64};
  uint64_t seed = 0;
  for (const PixelType type : kTypes) {
    for (const PixelType other : kTypes) {
      for (size_t i = 0; i < std::size(kAll); ++i, ++seed) {
        formats::with_type(type, [&](auto a) {
          formats::with_type(other, [&](auto b) {
            expect_exact_numbers<decltype(a), decltype(b)>(seed, type, other);
          });
        });
        if (HasFatalFailure()) FAIL() << formats::to_text(type) << ", " << formats::to_text(other);
      }
    }
  }
}

template <class T>
T number_of(T a, double b, const Formula& formula, formats::PixelType type) {
  must(calculate_numbers(type, std::as_writable_bytes(std::span(&a, 1)), b, formula));
  return a;
}

TEST(Arithmetic, CutsAndRoundsNumbersOfAnyType) {
  using formats::PixelType;
  const double infinity = std::numeric_limits<double>::infinity(), none = std::nan("");
  const Formula add{Operation::add}, multiply{Operation::multiply};
  EXPECT_EQ(number_of<int16_t>(-5, 0.5, multiply, PixelType::int16), -2) << "half up: -2.5";
  EXPECT_EQ(number_of<int16_t>(-30000, 2, multiply, PixelType::int16), -32768);
  EXPECT_EQ(number_of<uint32_t>(7, -9, add, PixelType::uint32), 0u);
  EXPECT_EQ(number_of<int64_t>(1'000'000'000'000, 1e9, multiply, PixelType::int64),
            std::numeric_limits<int64_t>::max());
  EXPECT_EQ(number_of<uint64_t>(1'000'000'000'000, 1e9, multiply, PixelType::uint64),
            std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(number_of<float>(0.5F, 0.25, add, PixelType::float32), 0.75F) << "not rounded";
  EXPECT_EQ(number_of<float>(3e38F, 1e9, multiply, PixelType::float32),
            std::numeric_limits<float>::max());
  EXPECT_EQ(number_of<double>(infinity, 1, add, PixelType::float64), infinity);
  EXPECT_TRUE(std::isnan(number_of<double>(none, 1, {Operation::minimum}, PixelType::float64)));
  EXPECT_TRUE(std::isnan(number_of<double>(1, none, {Operation::minimum}, PixelType::float64)));
  EXPECT_TRUE(std::isnan(number_of<double>(1, none, {Operation::maximum}, PixelType::float64)));
  EXPECT_EQ(number_of<int32_t>(1, none, add, PixelType::int32), 0) << "what is no number";
  EXPECT_EQ(number_of<double>(5, 0, {Operation::divide, 1, 7}, PixelType::float64), 0);
  int64_t large = int64_t{1} << 53;
  const auto refused =
      calculate_numbers(PixelType::int64, std::as_writable_bytes(std::span(&large, 1)), 1, add);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text().find("2^53"), std::string::npos);
}

}  // namespace
}  // namespace tierhub::imaging
