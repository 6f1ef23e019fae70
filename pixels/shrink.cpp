#include "pixels/shrink.h"

#include <algorithm>
#include <cstdint>
#include <type_traits>

namespace tierhub::pixels {
namespace {

using formats::Region;
using formats::Shape;

// Holds the sum of four numbers.
template <class T>
using Sum = std::conditional_t<std::is_floating_point_v<T>,
                               std::conditional_t<sizeof(T) == 8, long double, double>,
                               std::conditional_t<sizeof(T) == 8, __int128, int64_t>>;

template <class T>
T mean(Sum<T> sum, int count) {
  if constexpr (std::is_integral_v<T>) {
    // Rounded down from what is a half too large.
    const Sum<T> doubled = 2 * sum + count, divisor = 2 * count;
    return static_cast<T>(doubled / divisor - (doubled % divisor < 0 ? 1 : 0));
  } else {
    return static_cast<T>(sum / count);
  }
}

// One row out of the one or two behind it, which have `width` numbers.
template <class T>
void shrink_row(const T* upper, const T* lower, uint64_t width, T* to) {
  const uint64_t pairs = width / 2;
  for (uint64_t x = 0; x < pairs; ++x) {
    to[x] = mean<T>(static_cast<Sum<T>>(upper[2 * x]) + static_cast<Sum<T>>(upper[2 * x + 1]) +
                        static_cast<Sum<T>>(lower[2 * x]) + static_cast<Sum<T>>(lower[2 * x + 1]),
                    4);
  }
  if (width % 2 == 1) {
    to[pairs] =
        mean<T>(static_cast<Sum<T>>(upper[width - 1]) + static_cast<Sum<T>>(lower[width - 1]), 2);
  }
}

template <class T>
void shrink_plane(const T* from, const Shape& behind, const Shape& shape, T* to, Shrink how) {
  for (uint64_t y = 0; y < shape.y; ++y, to += shape.x) {
    const T* const upper = from + 2 * y * behind.x;
    if (how == Shrink::nearest) {
      for (uint64_t x = 0; x < shape.x; ++x) to[x] = upper[2 * x];
    } else {
      // The last row of an odd number counts twice, which leaves the mean as it is.
      shrink_row(upper, 2 * y + 1 < behind.y ? upper + behind.x : upper, behind.x, to);
    }
  }
}

}  // namespace

Shape halved(const Shape& shape) {
  return {shape.t, shape.c, shape.z, (shape.y + 1) / 2, (shape.x + 1) / 2};
}

Region region_behind(const Region& region, const Shape& behind) {
  Region from = region;
  --from.level;
  from.y = {2 * region.y.begin, std::min(2 * region.y.end, behind.y)};
  from.x = {2 * region.x.begin, std::min(2 * region.x.end, behind.x)};
  return from;
}

void shrink(formats::PixelType type, const Shape& behind, std::span<const std::byte> from,
            const Shape& shape, std::span<std::byte> to, Shrink how) {
  formats::with_type(type, [&](auto sample) {
    using T = decltype(sample);
    const auto* source = reinterpret_cast<const T*>(from.data());
    auto* target = reinterpret_cast<T*>(to.data());
    for (uint64_t plane = 0; plane < shape.t * shape.c * shape.z; ++plane) {
      shrink_plane(source + plane * behind.y * behind.x, behind, shape,
                   target + plane * shape.y * shape.x, how);
    }
  });
}

}  // namespace tierhub::pixels
