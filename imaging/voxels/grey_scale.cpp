#include "imaging/voxels/grey_scale.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "common/guarded.h"

namespace tierhub::imaging {
namespace {

constexpr double kLargestGrey = 65535;

template <class T>
double number_at(std::span<const std::byte> numbers, size_t i) {
  T number;
  std::memcpy(&number, numbers.data() + i * sizeof(T), sizeof(T));
  return static_cast<double>(number);
}

uint16_t nearest_grey(double number, const GreyScale& scale) {
  const double grey = (number - scale.offset) / scale.step + 0.5;
  if (!(grey >= 0)) return 0;  // also if it is no number
  return static_cast<uint16_t>(std::min(grey, kLargestGrey));
}

}  // namespace

void ValueRange::include(const ValueRange& other) {
  low = std::min(low, other.low);
  high = std::max(high, other.high);
}

uint64_t GreyScale::grey_below(double number) const {
  const double grey = std::floor((number - offset) / step);
  return grey > 0 ? static_cast<uint64_t>(std::min(grey, kLargestGrey)) : 0;
}

GreyScale scale_of(const ValueRange& range, formats::PixelType type) {
  const bool is_kept = !formats::is_float(type) && range.high - range.low <= kLargestGrey;
  const double step = range.high / kLargestGrey - range.low / kLargestGrey;
  return {range.low, is_kept || step == 0 ? 1 : step};
}

void scale_to_greys(formats::PixelType type, std::span<const std::byte> numbers,
                    const GreyScale& scale, std::span<uint16_t> greys, Parallel parallel) {
  formats::with_type(type, [&](auto zero) {
    using T = decltype(zero);
    parallel.for_ranges(greys.size(), [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) greys[i] = nearest_grey(number_at<T>(numbers, i), scale);
    });
  });
}

std::optional<ValueRange> range_of(formats::PixelType type, std::span<const std::byte> numbers,
                                   Parallel parallel) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr ValueRange kNone{kInfinity, -kInfinity};
  Guarded<ValueRange> all(std::in_place, kNone);
  formats::with_type(type, [&](auto zero) {
    using T = decltype(zero);
    parallel.for_ranges(numbers.size() / sizeof(T), [&](size_t begin, size_t end) {
      ValueRange own = kNone;
      for (size_t i = begin; i < end; ++i) {
        const double number = number_at<T>(numbers, i);
        if (std::isfinite(number)) own.include({number, number});
      }
      all.with([&](ValueRange& range) { range.include(own); });
    });
  });
  const ValueRange found = all.with([](const ValueRange& range) { return range; });
  if (found.low > found.high) return std::nullopt;
  return found;
}

}  // namespace tierhub::imaging
