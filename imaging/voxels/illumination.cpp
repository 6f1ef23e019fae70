#include "imaging/voxels/illumination.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "imaging/voxels/numbers.h"

namespace tierhub::imaging {
namespace {

using Wide = __int128;

Wide divided(Wide number, Wide divisor) {  // rounded half up; divisor > 0
  const Wide doubled = 2 * number + divisor, twice = 2 * divisor;
  return doubled / twice - (doubled % twice < 0 ? 1 : 0);
}

// Sums of the first i numbers, and of the same times their places.
struct RunningSums {
  explicit RunningSums(size_t size) : plain(size + 1), weighted(size + 1) {}
  void take(const std::vector<int64_t>& line) {
    for (size_t i = 0; i < line.size(); ++i) {
      plain[i + 1] = plain[i] + line[i];
      weighted[i + 1] = weighted[i] + static_cast<Wide>(line[i]) * static_cast<int64_t>(i);
    }
  }
  std::vector<int64_t> plain;
  std::vector<Wide> weighted;
};

// At `at`, of the straight line that fits the numbers [begin, end) best. Places count from the
// middle of the range, doubled to be whole.
int64_t fitted(const RunningSums& sums, int64_t begin, int64_t end, int64_t at) {
  const int64_t count = end - begin, middle = begin + end - 1;
  const Wide sum = sums.plain[end] - sums.plain[begin];
  const Wide product = 2 * (sums.weighted[end] - sums.weighted[begin]) - middle * sum;
  const Wide squares = static_cast<Wide>(count) * (static_cast<Wide>(count) * count - 1) / 3;
  if (squares == 0) return static_cast<int64_t>(sum);
  return static_cast<int64_t>(
      divided(sum * squares + (2 * at - middle) * product * count, squares * count));
}

void smooth_once(std::vector<int64_t>& line, int64_t radius, RunningSums& sums) {
  sums.take(line);
  const auto size = static_cast<int64_t>(line.size());
  for (int64_t at = 0; at < size; ++at) {
    const int64_t begin = std::max<int64_t>(std::min(at - radius, size - 2 * radius - 1), 0);
    const int64_t end = std::min(begin + 2 * radius + 1, size);
    // The line through numbers on both sides alike is their mean in the middle.
    const bool is_middle = at - begin == end - 1 - at;
    line[at] = is_middle
                   ? static_cast<int64_t>(divided(sums.plain[end] - sums.plain[begin], end - begin))
                   : fitted(sums, begin, end, at);
  }
}

void smooth_line(std::vector<int64_t>& line, uint64_t radius, RunningSums& sums) {
  const auto reach = static_cast<int64_t>(std::min<uint64_t>(radius, line.size()));
  for (int pass = 0; pass < 3; ++pass) smooth_once(line, reach, sums);
}

void smooth_rows(Volume<int64_t>& plane, uint64_t radius, Parallel parallel) {
  const uint64_t width = plane.extent.x;
  parallel.for_ranges(plane.extent.y, [&](size_t begin, size_t end) {
    RunningSums sums(width);
    std::vector<int64_t> line(width);
    for (size_t y = begin; y < end; ++y) {
      int64_t* const row = &plane.at(0, y, 0);
      std::copy(row, row + width, line.begin());
      smooth_line(line, radius, sums);
      std::copy(line.begin(), line.end(), row);
    }
  });
}

void smooth_columns(Volume<int64_t>& plane, uint64_t radius, Parallel parallel) {
  const uint64_t height = plane.extent.y;
  parallel.for_ranges(plane.extent.x, [&](size_t begin, size_t end) {
    RunningSums sums(height);
    std::vector<int64_t> line(height);
    for (size_t x = begin; x < end; ++x) {
      for (uint64_t y = 0; y < height; ++y) line[y] = plane.at(0, y, x);
      smooth_line(line, radius, sums);
      for (uint64_t y = 0; y < height; ++y) plane.at(0, y, x) = line[y];
    }
  });
}

void make_mean(Volume<int64_t>& sum, uint64_t planes, int64_t dark) {
  for (int64_t& pixel : sum.voxels) {
    const Wide light = static_cast<Wide>(pixel) << kLightFractionBits;
    pixel = static_cast<int64_t>(divided(light, planes)) - dark;
  }
}

// (number - dark) / light, rounded half up. Sum holds 29 bits more than T.
template <class T, class Sum>
T corrected(T number, int64_t dark, uint16_t light) {
  constexpr Sum kFraction = Sum{1} << kLightFractionBits;
  const Sum signal = (static_cast<Sum>(number) * kFraction - dark) * Sum{kIlluminationOne};
  const Sum divisor = std::max<uint16_t>(light, 1) * kFraction;
  const Sum doubled = 2 * signal + divisor, twice = 2 * divisor;
  const Sum rounded = doubled / twice - (doubled % twice < 0 ? 1 : 0);
  return static_cast<T>(
      std::clamp<Sum>(rounded, std::numeric_limits<T>::lowest(), std::numeric_limits<T>::max()));
}

// Of one row.
template <class T>
void correct_row(std::byte* row, const uint16_t* light, uint64_t width, double dark) {
  const auto fixed =
      static_cast<int64_t>(std::llround(dark * static_cast<double>(1 << kLightFractionBits)));
  for (uint64_t x = 0; x < width; ++x) {
    T number;
    std::memcpy(&number, row + x * sizeof(T), sizeof(T));
    if constexpr (std::is_floating_point_v<T>) {
      number = nearest_number<T>((static_cast<double>(number) - dark) * kIlluminationOne /
                                 std::max<uint16_t>(light[x], 1));
    } else {
      using Sum = std::conditional_t<sizeof(T) == 8, Wide, int64_t>;
      number = corrected<T, Sum>(number, fixed, light[x]);
    }
    std::memcpy(row + x * sizeof(T), &number, sizeof(T));
  }
}

}  // namespace

void smooth_line(std::vector<int64_t>& line, uint64_t radius) {
  RunningSums sums(line.size());
  smooth_line(line, radius, sums);
}

Result<GreyVolume> illumination_function(Volume<int64_t> sum, uint64_t planes, int64_t dark,
                                         uint64_t radius, Parallel parallel) {
  Volume<int64_t>& smooth = sum;
  make_mean(smooth, planes, dark);
  smooth_rows(smooth, radius, parallel);
  smooth_columns(smooth, radius, parallel);
  Wide total = 0;
  for (const int64_t pixel : smooth.voxels) total += pixel;
  if (total <= 0) {
    return Error(std::errc::invalid_argument,
                 dark == 0 ? "the images are black: there is no light to correct"
                           : "the images are not brighter than --dark");
  }
  GreyVolume function(sum.extent);
  const auto size = static_cast<Wide>(smooth.voxels.size());
  for (size_t i = 0; i < smooth.voxels.size(); ++i) {
    const Wide share = divided(smooth.voxels[i] * size * kIlluminationOne, total);
    function.voxels[i] = static_cast<uint16_t>(std::clamp<Wide>(share, kLeastIllumination, 65535));
  }
  return function;
}

GreyVolume correct_illumination(const GreyVolume& volume, const GreyVolume& function, uint16_t dark,
                                uint16_t most, Parallel parallel) {
  GreyVolume corrected(volume.extent);
  const uint64_t width = volume.extent.x;
  parallel.for_ranges(volume.extent.z * volume.extent.y, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      const uint16_t* const from = &volume.voxels[row * width];
      const uint16_t* const light = &function.at(0, row % volume.extent.y, 0);
      uint16_t* const to = &corrected.voxels[row * width];
      for (uint64_t x = 0; x < width; ++x) {
        const uint64_t signal = from[x] > dark ? from[x] - dark : 0;
        const uint64_t divisor = std::max<uint64_t>(light[x], 1);
        const uint64_t value = (2 * signal * kIlluminationOne + divisor) / (2 * divisor);
        to[x] = static_cast<uint16_t>(std::min<uint64_t>(value, most));
      }
    }
  });
  return corrected;
}

void correct_illumination(formats::PixelType type, std::span<std::byte> voxels,
                          const GreyVolume& function, double dark, Parallel parallel) {
  const auto [planes, height, width] = function.extent;
  const uint64_t row_bytes = width * formats::bytes_of(type);
  formats::with_type(type, [&, height = height, width = width](auto zero) {
    using T = decltype(zero);
    parallel.for_ranges(voxels.size() / row_bytes, [&](size_t begin, size_t end) {
      for (size_t row = begin; row < end; ++row) {
        correct_row<T>(voxels.data() + row * row_bytes, &function.at(0, row % height, 0), width,
                       dark);
      }
    });
  });
}

}  // namespace tierhub::imaging
