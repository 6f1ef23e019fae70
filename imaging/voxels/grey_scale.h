// How voxels of other types than uint8 and uint16 become grey values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "formats/pixel_type.h"
#include "imaging/voxels/parallel.h"

namespace tierhub::imaging {

// Finite numbers, low <= high.
struct ValueRange {
  double low = 0;
  double high = 0;
  bool operator==(const ValueRange&) const = default;

  void include(const ValueRange& other);
};

// A grey value stands for the number offset + step * grey.
struct GreyScale {
  double offset = 0;
  double step = 1;
  bool operator==(const GreyScale&) const = default;

  bool is_identity() const { return *this == GreyScale(); }
  double number_of(double grey) const { return offset + step * grey; }
  // The largest grey value that stands for no more than `number`; 0 if none does.
  uint64_t grey_below(double number) const;
};

// The 65,536 grey values spread evenly over the range, both ends included; integers in a range that
// is not longer are kept as they are.
GreyScale scale_of(const ValueRange& range, formats::PixelType type);

// The nearest grey values of numbers of `type`, in the order of `numbers`; those outside the scale
// become 0 or 65535, and what is no number becomes 0. `greys` has as many elements.
void scale_to_greys(formats::PixelType type, std::span<const std::byte> numbers,
                    const GreyScale& scale, std::span<uint16_t> greys, Parallel parallel);

// The smallest and the largest finite number; nothing if there is none.
std::optional<ValueRange> range_of(formats::PixelType type, std::span<const std::byte> numbers,
                                   Parallel parallel);

}  // namespace tierhub::imaging
