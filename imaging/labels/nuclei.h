// Nuclei, or other roundish bright objects, with one parameter: their diameter.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/result.h"
#include "imaging/labels/pieces.h"
#include "imaging/labels/segment.h"

namespace tierhub::imaging {

inline constexpr double kMinDiameter = 3;
inline constexpr double kMaxDiameter = 512;

// What follows from the diameter: a voxel belongs to a nucleus if, smoothed, it is brighter than
// the mean of a box around it, and than a share of the way from the darkest value to Otsu's
// threshold. Touching nuclei are split; what is much smaller than a nucleus is left out.
struct NucleusRule {
  double diameter = 0;  // in voxels of the plane
  Sigma sigma{0};
  Halo local_radius;
  double otsu_share = 0.6;
  PieceOptions pieces;
  ObjectFilter filter;
};

// `diameter` in voxels of the plane. In a volume whose voxels are higher than wide, distances along
// z count accordingly; where the size of a voxel is not known it is taken for a cube.
NucleusRule nucleus_rule(double diameter, const formats::ImageInfo& info, const Box& box);

// "24" (voxels of the plane), or "8um" of an image whose size of a voxel is known.
Result<double> parse_diameter(std::string_view text, const formats::ImageInfo& info,
                              uint64_t level);

// How many voxels the smallest object has that is a nucleus, by the diameter that the labels were
// made with; an error if they were made without.
Result<uint64_t> smallest_nucleus(const LabelRecord& record);

// The nuclei of a whole volume, as segment_whole does it.
Result<WholeLabels> find_nuclei(const ImageReader& reader, const Box& box, const NucleusRule& rule,
                                const std::string& out);
Result<void> find_nuclei(MemoryUse& memory, const ImageReader& reader, const Box& box,
                         const NucleusRule& rule);

SegmentOptions segment_options(const NucleusRule& rule);

}  // namespace tierhub::imaging
