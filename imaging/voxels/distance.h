// Distances inside a mask, in integers.
#pragma once

#include <cstdint>
#include <vector>

#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

// How far apart neighbouring voxels are on each axis, in sixteenths of the side of a voxel in the
// plane. With voxels of 0.5 x 0.2 x 0.2 micrometres z is 40, y and x are 16. Steps are positive.
struct Steps {
  uint32_t z = 16;
  uint32_t y = 16;
  uint32_t x = 16;
  bool operator==(const Steps&) const = default;
};

// The largest integer whose square is at most `n`; n < 2^62.
uint32_t floor_sqrt(uint64_t n);

// Buffers of a DistanceTransform.
struct DistanceLines {
  struct Parabola {
    int64_t centre;
    int64_t height;
    int64_t from;  // the first position at which it is the lowest
  };
  std::vector<uint64_t> values;  // of a few lines, one after the other
  std::vector<Parabola> envelope;
};

// The exact squared Euclidean distance of each voxel of `mask` that is not 0 to the nearest one
// that is, between their centres, in squared sixteenths; 0 outside the mask. All that lies beyond
// the array is background. Axes on which the volume (of `shape`; the array may be a part of it) is
// one voxel long have no distance; in a volume of one voxel the x axis has.
// (length + 1) * step of each axis must be below 2^30.
//
// Axis by axis with the lower envelope of parabolas: Meijster, Roerdink and Hesselink, "A general
// algorithm for computing distance transforms in linear time", 2000. Equal to
// scipy.ndimage.distance_transform_edt on the mask padded by one.
//
// Keeps its buffers: use one for many masks, on one thread at a time.
class DistanceTransform {
 public:
  // Valid until the next call.
  const Volume<uint64_t>& operator()(const Volume<uint8_t>& mask, const Steps& steps,
                                     const Extent& shape);

 private:
  Volume<uint64_t> squares_;
  DistanceLines lines_;
};

Volume<uint64_t> squared_distance(const Volume<uint8_t>& mask, const Steps& steps,
                                  const Extent& shape);

}  // namespace tierhub::imaging
