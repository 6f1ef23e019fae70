// From an image to labels: smooth, threshold, label.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "imaging/images/output.h"
#include "imaging/images/reader.h"
#include "imaging/labels/histogram.h"
#include "imaging/labels/label_block.h"
#include "imaging/labels/merge.h"

namespace tierhub::imaging {

struct SegmentOptions {
  Sigma sigma = 2;
  // Voxels must also be brighter than the mean of the box that reaches so far around them, as far
  // as it lies in the volume; 0 on all axes: they need not.
  Halo local_radius{};
  // Of a threshold that is found: how far on the way from the darkest value to Otsu's it is.
  double otsu_share = 1;
  // Objects need a voxel, smoothed, that is brighter than this (hysteresis).
  std::optional<uint64_t> high{};
  double diameter = 0;  // that the others follow from; 0: none
  Connectivity connectivity = Connectivity::full;
  Parallel parallel{};
};

// The halo that segment_box needs.
Result<Halo> needed_halo(const SegmentOptions& options, const Extent& shape);

// The labels of `box` alone, numbered by first voxel in the box: input for a merge. Reads no voxel
// outside the box and its halo; a halo smaller than needed_halo is an error.
Result<LabelBlock> segment_box(const ImageReader& reader, const Box& box, const Halo& halo,
                               const Threshold& threshold, const SegmentOptions& options);
Result<void> segment_box(MemoryUse& memory, const ImageReader& reader, const Box& box,
                         const SegmentOptions& options);

// Labels that may lie in a folder, which is removed with this.
struct WholeLabels {
  std::optional<OutputFolder> folder;
  MergedLabels labels;
};

// The labels of a whole volume (`box` is one level, time point and channel, or a part of it), with
// Otsu's threshold unless one is given. If the volume is too large for memory it works in parts,
// which it keeps in a folder beside `out` until they are merged.
Result<WholeLabels> segment_whole(const ImageReader& reader, const Box& box,
                                  const std::optional<Threshold>& threshold,
                                  const SegmentOptions& options, const std::string& out);
// With a threshold that is found.
Result<void> segment_whole(MemoryUse& memory, const ImageReader& reader, const Box& box,
                           const SegmentOptions& options);

}  // namespace tierhub::imaging
