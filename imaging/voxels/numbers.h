// Voxels of any type as numbers of double precision, and back.
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <type_traits>

#include "formats/pixel_type.h"

namespace tierhub::imaging {

// Not all integers beyond 2^53 are numbers of double precision.
inline constexpr double kLargestExactInteger = 9007199254740992.0;

// The nearest number of type T: cut to the range of T and, if T is an integer, rounded half up. What
// is no number becomes 0 as an integer; as a float it stays none, always with the same bits.
template <class T>
T nearest_number(double number) {
  using Limits = std::numeric_limits<T>;
  constexpr auto kLeast = static_cast<double>(Limits::lowest());
  constexpr auto kMost = static_cast<double>(Limits::max());
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(number)) return Limits::quiet_NaN();
    if (std::isinf(number)) return static_cast<T>(number);
    return static_cast<T>(number < kLeast ? kLeast : number > kMost ? kMost : number);
  } else {
    if (std::isnan(number)) return 0;
    if (number <= kLeast) return Limits::lowest();
    if (number >= kMost) return Limits::max();  // of 64 bits, kMost is one more than that
    const double below = std::floor(number);
    const auto whole = static_cast<T>(below);
    return number - below >= 0.5 ? static_cast<T>(whole + 1) : whole;
  }
}

// Fills `to` with as many numbers of `type`. False if one of them is an integer beyond 2^53.
bool to_doubles(formats::PixelType type, std::span<const std::byte> numbers, std::span<double> to);
// The other way round: their nearest numbers of `type`.
void from_doubles(std::span<const double> from, formats::PixelType type,
                  std::span<std::byte> numbers);

}  // namespace tierhub::imaging
