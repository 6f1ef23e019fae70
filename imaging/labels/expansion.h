// Objects around objects, which keep their numbers: cells around nuclei, and rings.
#pragma once

#include <cstdint>
#include <optional>

#include "common/result.h"
#include "imaging/images/reader.h"
#include "imaging/labels/label_block.h"
#include "imaging/labels/label_source.h"
#include "imaging/labels/segment.h"
#include "imaging/voxels/distance.h"
#include "imaging/voxels/parallel.h"

namespace tierhub::imaging {

struct ExpansionOptions {
  double distance = 0;         // in voxels of the plane
  std::optional<double> from;  // a ring: only voxels farther from every label than this
  Steps steps;
  // Voxels that are not brighter are not taken. The labels themselves always are.
  std::optional<uint64_t> threshold;
  Parallel parallel{};
};

// An image that the objects are measured in, and the voxels that are compared with the threshold.
struct MeasuredImage {
  const ImageReader& reader;
  Box place;  // its level, time point and channel
};

// The halo that expand_box needs.
Result<Halo> needed_halo(const ExpansionOptions& options, const LabelSource& labels);

// The labels of `box`, which lies in what the labels cover (its level, t and c are not used),
// joined by their numbers. Without an image objects have no intensities.
Result<LabelBlock> expand_box(const LabelSource& labels, const std::optional<MeasuredImage>& image,
                              const Box& box, const ExpansionOptions& options);
Result<void> expand_box(MemoryUse& memory, const LabelSource& labels,
                        const std::optional<MeasuredImage>& image, const Box& box,
                        const ExpansionOptions& options);

// All labels. Works in parts, which it keeps beside `out` until they are merged.
Result<WholeLabels> expand_whole(const LabelSource& labels,
                                 const std::optional<MeasuredImage>& image,
                                 const ExpansionOptions& options, const std::string& out);
Result<void> expand_whole(MemoryUse& memory, const LabelSource& labels,
                          const std::optional<MeasuredImage>& image,
                          const ExpansionOptions& options);

}  // namespace tierhub::imaging
