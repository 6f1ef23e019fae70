// Splitting touching objects by the distance to their background.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "imaging/voxels/distance.h"
#include "imaging/voxels/label.h"
#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

struct SplitOptions {
  // How much deeper than the way to a deeper part a part of the object must be to become a piece of
  // its own, in sides of a voxel in the plane. Counted in sixteenths; at least one.
  double h = 1;
  Connectivity connectivity = Connectivity::full;
  Steps steps;
  Extent shape;  // the volume's: an axis of one voxel has no distance
};

struct SplitResult {
  LabelVolume pieces;  // 0 outside, 1..count in z, y, x order of their first voxels
  uint32_t count = 0;
};

// Splits one object. `mask` holds the object in its box: all that lies beyond it is background. The
// depth of a voxel is q = floor(sqrt(squared_distance)), in sixteenths. Each regional maximum of the
// morphological reconstruction of max(q - h, 0) under q inside the object is a seed, so there is at
// least one per connected part. The seeds grow in one total order: deepest voxel first, among equals
// the one reached first; a voxel gets the piece of the one that reached it first. Seeds are
// queued, and neighbours visited, in z, y, x order.
//
// The order makes splitting exact: what does not touch an object changes nothing in it, so
// splitting all objects of a volume at once gives the same pieces.
//
// Keeps its buffers, about 40 bytes a voxel: use one for many objects, on one thread at a time.
// The box, with a voxel around it, has fewer than 2^32 - 2 voxels.
class Splitter {
 public:
  SplitResult operator()(const Volume<uint8_t>& mask, const SplitOptions& options);

 private:
  struct Queue {
    uint32_t first;
    uint32_t last;
  };

  void lay_out(const Extent& size, Connectivity connectivity);
  void take_depths(const Volume<uint8_t>& mask, const SplitOptions& options);
  void sort_by_depth();
  void find_seeds(uint32_t h);
  bool join_deeper_neighbours(uint32_t voxel);
  uint32_t root_of(uint32_t voxel);
  void make_seed(uint32_t peak);
  void grow_seeds();
  void push(uint32_t voxel);
  SplitResult pieces(const Extent& size) const;

  DistanceTransform distance_;
  // The frame: the box with a voxel of background around it on every axis longer than one voxel.
  Extent frame_;
  size_t begin_ = 0;  // where the box's first voxel lies in the frame
  std::array<ptrdiff_t, 26> neighbours_ = {};
  size_t neighbour_count_ = 0;
  uint32_t deepest_ = 0;
  uint32_t seeds_ = 0;
  // One for each voxel of the frame.
  std::vector<uint32_t> depth_;   // 0 outside the object
  std::vector<uint32_t> piece_;   // 0: none yet
  std::vector<uint32_t> parent_;  // of sets of voxels; the root is a deepest voxel
  std::vector<uint32_t> next_;    // in a ring of a set's voxels; then in a queue
  // One for each voxel of the object.
  std::vector<uint32_t> by_depth_;  // deepest first
  std::vector<uint32_t> peaks_;     // voxels deeper than those around them, deepest first
  // One for each depth.
  std::vector<uint32_t> starts_;
  std::vector<Queue> queues_;
  uint32_t top_ = 0;  // no deeper queue holds a voxel
};

SplitResult split_object(const Volume<uint8_t>& mask, const SplitOptions& options);

}  // namespace tierhub::imaging
