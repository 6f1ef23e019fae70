#include "imaging/voxels/illumination.h"

#include <cmath>
#include <limits>
#include <span>

#include "tests/unit/imaging/blockwise.h"

namespace tierhub::imaging {
namespace {

using Wide = __int128;

constexpr int64_t fixed(int64_t dark) { return dark << kLightFractionBits; }

// One pass, as the normal equations of least squares say.
std::vector<int64_t> fitted_plainly(const std::vector<int64_t>& line, int64_t radius) {
  const auto size = static_cast<int64_t>(line.size());
  std::vector<int64_t> result;
  for (int64_t at = 0; at < size; ++at) {
    Wide n = 0, x = 0, xx = 0, v = 0, xv = 0;
    int64_t begin = at - radius;
    while (begin > 0 && begin + 2 * radius + 1 > size) --begin;
    begin = std::max<int64_t>(begin, 0);
    for (int64_t i = begin; i < std::min(size, begin + 2 * radius + 1); ++i) {
      n += 1;
      x += i;
      xx += static_cast<Wide>(i) * i;
      v += line[i];
      xv += static_cast<Wide>(i) * line[i];
    }
    Wide number = v * xx - x * xv + at * (n * xv - x * v), divisor = n * xx - x * x;
    if (n == 1) number = v, divisor = 1;
    Wide doubled = 2 * number + divisor, quotient = doubled / (2 * divisor);
    if (quotient * 2 * divisor > doubled) --quotient;
    result.push_back(static_cast<int64_t>(quotient));
  }
  return result;
}

TEST(Illumination, IsSmoothedByStraightLinesWhereTheMeanIsCutOff) {
  for (uint64_t seed = 1; seed <= 250; ++seed) {
    std::mt19937_64 random(seed);
    std::vector<int64_t> line(1 + random() % 40);
    const int64_t size = seed % 2 == 0 ? 1'000 : int64_t{1} << 32;
    for (int64_t& number : line) number = static_cast<int64_t>(random() % size) - size / 5;
    const uint64_t radius = random() % 50;
    std::vector<int64_t> expected = line;
    for (int pass = 0; pass < 3; ++pass)
      expected = fitted_plainly(expected, static_cast<int64_t>(radius));
    smooth_line(line, radius);
    ASSERT_EQ(line, expected) << "seed " << seed;
  }
}

TEST(Illumination, OfASlopeIsTheSlope) {
  std::vector<int64_t> line;
  for (int64_t i = 0; i < 300; ++i) line.push_back(5000 + 7 * i);
  std::vector<int64_t> smooth = line;
  smooth_line(smooth, 40);
  EXPECT_EQ(smooth, line);
}

// Falls to 60 % in the corners.
double light_at(uint64_t y, uint64_t x, const Extent& shape) {
  const auto from_middle = [](uint64_t at, uint64_t size) {
    return 2 * static_cast<double>(at) / static_cast<double>(size - 1) - 1;
  };
  const double v = from_middle(y, shape.y), u = from_middle(x, shape.x);
  return 1 - 0.4 * (u * u + v * v) / 2;
}

TEST(Illumination, OfManyImagesOfCellsIsFound) {
  const Extent shape{1, 200, 240};
  constexpr uint64_t kImages = 200;
  constexpr uint16_t kDark = 100;
  std::mt19937_64 random(7);
  Volume<int64_t> sum(shape);
  GreyVolume flat(shape);
  for (uint64_t y = 0; y < shape.y; ++y)
    for (uint64_t x = 0; x < shape.x; ++x)
      flat.at(0, y, x) = static_cast<uint16_t>(kDark + std::lround(2000 * light_at(y, x, shape)));
  for (uint64_t image = 0; image < kImages; ++image) {
    std::vector<double> objects(shape.voxels());
    for (int cell = 0; cell < 50; ++cell) {  // also at the border
      const uint64_t top = random() % (shape.y + 11), left = random() % (shape.x + 11);
      for (uint64_t i = 0; i < 144; ++i) {
        const uint64_t y = top + i / 12 - 11, x = left + i % 12 - 11;
        if (y < shape.y && x < shape.x) objects[y * shape.x + x] = 300;
      }
    }
    for (uint64_t y = 0; y < shape.y; ++y) {
      for (uint64_t x = 0; x < shape.x; ++x) {
        const double light = (200 + objects[y * shape.x + x]) * light_at(y, x, shape);
        sum.at(0, y, x) +=
            kDark + static_cast<int64_t>(light) + static_cast<int64_t>(random() % 20);
      }
    }
  }
  const GreyVolume function =
      must(illumination_function(sum, kImages, fixed(kDark), 20, Parallel(2)));
  EXPECT_EQ(must(illumination_function(sum, kImages, fixed(kDark), 20)), function) << "one thread";
  const GreyVolume corrected = correct_illumination(flat, function, kDark, 65535);
  const auto [least, most] = std::minmax_element(corrected.voxels.begin(), corrected.voxels.end());
  EXPECT_LT(static_cast<double>(*most) / static_cast<double>(*least), 1.12);
  EXPECT_GT(static_cast<double>(flat.at(0, 100, 120) - kDark) / (flat.at(0, 0, 0) - kDark), 1.6);
  double mean = 0;
  for (const uint16_t pixel : function.voxels) mean += pixel;
  EXPECT_NEAR(mean / static_cast<double>(shape.voxels()), kIlluminationOne, 1);
}

TEST(Illumination, OfBlackImagesIsAnError) {
  EXPECT_NE(illumination_function(Volume<int64_t>({1, 4, 4}), 3, 0, 5).error().text().find("black"),
            std::string::npos);
  Volume<int64_t> dim({1, 4, 4});
  for (int64_t& pixel : dim.voxels) pixel = 30;
  EXPECT_NE(illumination_function(dim, 3, fixed(10), 5).error().text().find("--dark"),
            std::string::npos);
  EXPECT_EQ(must(illumination_function(dim, 3, fixed(9), 5)).voxels,
            std::vector<uint16_t>(16, kIlluminationOne));
}

TEST(Illumination, IsCorrectedInBlocksAsInTheWhole) {
  for (uint64_t seed = 1; seed <= 250; ++seed) {
    std::mt19937_64 random(seed);
    const Extent shape = random_shape(random, 16);
    const GreyVolume volume = random_volume(random, shape);
    GreyVolume function({1, shape.y, shape.x});
    for (uint16_t& light : function.voxels)
      light = static_cast<uint16_t>(kLeastIllumination + random() % 40'000);
    const auto dark = static_cast<uint16_t>(random() % 300);
    const uint16_t most = seed % 3 == 0 ? 255 : 65535;
    const GreyVolume corrected = correct_illumination(volume, function, dark, most);
    for (uint64_t z = 0; z < shape.z; ++z) {
      for (size_t i = 0; i < function.voxels.size(); ++i) {
        const long double signal =
            std::max(volume.voxels[z * function.voxels.size() + i] - dark, 0);
        const long double exact = signal * kIlluminationOne / function.voxels[i];
        ASSERT_EQ(corrected.voxels[z * function.voxels.size() + i],
                  static_cast<uint16_t>(std::min<long double>(std::floor(exact + 0.5L), most)))
            << "seed " << seed;
      }
    }
    const Box whole = whole_box(shape), block = random_box(random, shape);
    Box plane = whole, part = block;
    plane.z = part.z = {0, 1};
    ASSERT_EQ(correct_illumination(crop(volume, whole, block), crop(function, plane, part), dark,
                                   most, Parallel(2)),
              crop(corrected, whole, block))
        << "seed " << seed;
  }
}

// Twice the number, so that a half is whole; and what the number 1 is there.
template <class T>
void expect_exact(std::mt19937_64& random, const GreyVolume& function, uint64_t planes, double dark,
                  formats::PixelType type) {
  std::vector<T> numbers(function.voxels.size() * planes);
  for (T& number : numbers) {
    number = static_cast<T>(random());
    if (random() % 3 == 0) number = static_cast<T>(random() % 100);
  }
  std::vector<T> corrected = numbers;
  correct_illumination(type, std::as_writable_bytes(std::span(corrected)), function, dark,
                       Parallel(1 + random() % 3));
  for (size_t i = 0; i < numbers.size(); ++i) {
    const Wide divisor = Wide{function.voxels[i % function.voxels.size()]} * 4;
    const Wide number = (Wide{numbers[i]} * 4 - static_cast<Wide>(dark * 4)) * kIlluminationOne;
    Wide rounded = (2 * number + divisor) / (2 * divisor);
    if (rounded * 2 * divisor > 2 * number + divisor) --rounded;
    const Wide cut =
        std::clamp<Wide>(rounded, std::numeric_limits<T>::lowest(), std::numeric_limits<T>::max());
    ASSERT_TRUE(cut == corrected[i])
        << formats::to_text(type) << " " << numbers[i] << " became " << corrected[i];
  }
}

TEST(Illumination, IsCorrectedExactlyInIntegersOfAnyType) {
  for (uint64_t seed = 1; seed <= 250; ++seed) {
    std::mt19937_64 random(seed);
    const Extent shape = random_shape(random, 12);
    GreyVolume function({1, shape.y, shape.x});
    for (uint16_t& light : function.voxels)
      light = static_cast<uint16_t>(kLeastIllumination + random() % 60'000);
    const double dark = (static_cast<double>(random() % 2000) - 1000) / (seed % 2 == 0 ? 4 : 1);
    for (const auto type :
         {formats::PixelType::int8, formats::PixelType::uint16, formats::PixelType::int16,
          formats::PixelType::uint32, formats::PixelType::int32, formats::PixelType::uint64,
          formats::PixelType::int64}) {
      formats::with_type(type, [&](auto zero) {
        if constexpr (std::is_integral_v<decltype(zero)>)
          expect_exact<decltype(zero)>(random, function, shape.z, dark, type);
      });
    }
    // Floats, in blocks as in the whole.
    std::vector<float> numbers(shape.voxels());
    for (float& number : numbers) number = static_cast<float>(random() % 10'000) / 7;
    std::vector<float> corrected = numbers;
    correct_illumination(formats::PixelType::float32, std::as_writable_bytes(std::span(corrected)),
                         function, dark);
    for (size_t i = 0; i < numbers.size(); ++i) {
      std::vector<float> one{numbers[i]};
      GreyVolume light({1, 1, 1});
      light.voxels[0] = function.voxels[i % function.voxels.size()];
      correct_illumination(formats::PixelType::float32, std::as_writable_bytes(std::span(one)),
                           light, dark);
      ASSERT_EQ(one[0], corrected[i]);
      ASSERT_NEAR(one[0], (numbers[i] - dark) * kIlluminationOne / light.voxels[0],
                  1e-6 * std::abs(one[0]));
    }
  }
}

}  // namespace
}  // namespace tierhub::imaging
