// What pictures of images share: the brightest voxels along z, their contrast, outlines of labels.
#pragma once

#include <cstdint>
#include <vector>

#include "common/result.h"
#include "imaging/images/reader.h"
#include "imaging/pictures/canvas.h"
#include "imaging/voxels/projection.h"

namespace tierhub::imaging {

// The brightest voxel of `box` along z, or the mean: a volume of one plane. Memory is bounded by
// that plane and a few planes of the image. A plane of more than 2^30 pixels is refused. A sum is
// drawn as the mean, which looks the same.
Result<GreyVolume> project_grey(const ImageReader& image, const Box& box,
                                Projection method = Projection::maximum);

// The largest label along z. The labels must have the size `size`, one time point and one channel.
Result<LabelVolume> project_labels(const ImageReader& labels, const Extent& size);

// Grey values from `black` to `white` are spread evenly over what a picture can show.
class Contrast {
 public:
  // From the 1st percentile to the 99.8th of the values that are added.
  void add(const std::vector<uint16_t>& values);
  void settle();
  uint8_t shown(uint16_t value) const;

 private:
  std::vector<uint64_t> counts_ = std::vector<uint64_t>(65536);
  uint64_t values_ = 0;
  uint32_t black_ = 0;
  uint32_t white_ = 1;
};

// True if the pixel belongs to an object and a neighbour on one of its sides does not.
bool is_outline(const LabelVolume& labels, uint64_t y, uint64_t x);
// Neighbouring numbers get colours far apart.
Colour label_colour(uint32_t label);

}  // namespace tierhub::imaging
