// From an image to labels: smooth, threshold, label.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/result.h"
#include "imaging/images/reader.h"
#include "imaging/labels/label_folder.h"

namespace tierhub::imaging {

struct SegmentOptions {
  double sigma = 2;
  Connectivity connectivity = Connectivity::full;
  std::string out;           // the labels folder
  std::string table;         // CSV; empty: none
  std::optional<Otsu> otsu;  // where the given threshold comes from, if it is Otsu's
};

struct SegmentResult {
  uint64_t objects = 0;
  LabelRecord record;
};

// The labels of `box` alone, numbered by first voxel in the box: input for merge_labels. Reads no
// voxel outside the box and its halo; a halo smaller than minimum_halo is an error.
Result<SegmentResult> segment_box(ImageReader& reader, const Box& box, const Halo& halo,
                                  uint64_t threshold, const SegmentOptions& options);

// The labels of a whole volume (`box` is one level, time point and channel, or a part of it), with
// Otsu's threshold unless one is given. Works in parts and merges them.
Result<SegmentResult> segment_whole(ImageReader& reader, const Box& box,
                                    std::optional<uint64_t> threshold,
                                    const SegmentOptions& options);

}  // namespace tierhub::imaging
