// Smooths row by row, so that what is between two passes stays in the processor's cache.
#pragma once

#include <cstdint>
#include <vector>

#include "imaging/voxels/volume.h"
#include "imaging/voxels/weigh_rows.h"

namespace tierhub::imaging {

// The taps of each axis, from the centre outwards.
struct Kernel {
  std::vector<float> z, y, x;
};

// One thread's. `volume` holds the voxels of `grown` and must outlive it. What smooth.h says of
// `grown` and `owned` holds here.
class RowSmoother {
 public:
  RowSmoother(const GreyVolume& volume, const Box& grown, const Box& owned, const Kernel& kernel);

  // Makes ready for row() the rows [begin, end) of plane z. All are counted from the corner of
  // `owned`.
  void start_strip(uint64_t z, uint64_t begin, uint64_t end);
  // The smoothed voxels of row y of the strip's plane: as many as `owned` is wide. Valid until the
  // next call.
  const float* row(uint64_t y);

 private:
  const uint16_t* grey_row(uint64_t z, uint64_t y) const;
  const float* strip_row(uint64_t y) const {
    return &strip_[(y - strip_y_.begin) * needed_x_.size()];
  }

  const GreyVolume& volume_;
  const Kernel& kernel_;
  const Box owned_;                    // from here on all is counted from the corner of `grown`
  const formats::AxisRange needed_x_;  // what the kernel reaches inside the volume
  formats::AxisRange strip_y_;         // the rows that strip_ holds
  std::vector<float> strip_;           // smoothed along z
  std::vector<float> padded_;          // a row smoothed along z and y, with the border repeated
  std::vector<float> row_;
  RowPairs<uint16_t> grey_rows_;
  RowPairs<float> rows_;
};

}  // namespace tierhub::imaging
