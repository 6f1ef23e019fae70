#include "imaging/voxels/numbers.h"

#include <cstring>

namespace tierhub::imaging {

bool to_doubles(formats::PixelType type, std::span<const std::byte> numbers, std::span<double> to) {
  bool are_exact = true;
  formats::with_type(type, [&](auto zero) {
    using T = decltype(zero);
    for (size_t i = 0; i < to.size(); ++i) {
      T number;
      std::memcpy(&number, numbers.data() + i * sizeof(T), sizeof(T));
      to[i] = static_cast<double>(number);
      if constexpr (std::is_integral_v<T> && sizeof(T) == 8)
        are_exact = are_exact && std::abs(to[i]) < kLargestExactInteger;
    }
  });
  return are_exact;
}

void from_doubles(std::span<const double> from, formats::PixelType type,
                  std::span<std::byte> numbers) {
  formats::with_type(type, [&](auto zero) {
    using T = decltype(zero);
    for (size_t i = 0; i < from.size(); ++i) {
      const T number = nearest_number<T>(from[i]);
      std::memcpy(numbers.data() + i * sizeof(T), &number, sizeof(T));
    }
  });
}

}  // namespace tierhub::imaging
