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
  double sigma = 2;
  Connectivity connectivity = Connectivity::full;
  Parallel parallel{};
};

// The labels of `box` alone, numbered by first voxel in the box: input for a merge. Reads no voxel
// outside the box and its halo; a halo smaller than minimum_halo is an error.
Result<LabelBlock> segment_box(const ImageReader& reader, const Box& box, const Halo& halo,
                               const Threshold& threshold, const SegmentOptions& options);

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

}  // namespace tierhub::imaging
