#include "imaging/pictures/projection.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "imaging/images/slabs.h"

namespace tierhub::imaging {
namespace {

constexpr uint64_t kMaxProjectedPixels = uint64_t{1} << 30;
void keep_maximum(const LabelVolume& slab, LabelVolume& projection) {
  const size_t plane = projection.voxels.size();
  for (size_t i = 0; i < slab.voxels.size(); ++i) {
    uint32_t& pixel = projection.voxels[i % plane];
    pixel = std::max(pixel, slab.voxels[i]);
  }
}

}  // namespace

Result<GreyVolume> project_grey(const ImageReader& image, const Box& box, Projection method) {
  if (box.y.size() > kMaxProjectedPixels / box.x.size()) {
    return Error(std::errc::file_too_large,
                 "the image is too large for a PNG: choose a smaller level with --select");
  }
  if (method == Projection::sum) method = Projection::mean;
  TRY_ASSIGN(const LabelVolume pixels, project_along_z(image, box, method));
  GreyVolume projection(pixels.extent);
  std::copy(pixels.voxels.begin(), pixels.voxels.end(), projection.voxels.begin());
  return projection;
}

Result<LabelVolume> project_labels(const ImageReader& labels, const Extent& size) {
  const formats::Shape& shape = labels.info().levels.front().shape;
  if (shape.t > 1 || shape.c > 1) {
    return Error(
        std::errc::invalid_argument,
        fmt::format("{} has {} time points and {} channels: the labels must have one of each",
                    labels.info().path, shape.t, shape.c));
  }
  TRY_ASSIGN(const Box box, formats::whole_volume(labels.info()));
  if (box.extent() != size) {
    return Error(std::errc::invalid_argument,
                 fmt::format("{} has the size {}, the image {}", labels.info().path,
                             formats::to_text(box.extent()), formats::to_text(size)));
  }
  LabelVolume projection({1, size.y, size.x});
  TRY(for_each_slab(box, [&](const Box& slab) -> Result<void> {
    TRY_ASSIGN(const LabelVolume volume, labels.read_labels(slab));
    keep_maximum(volume, projection);
    return {};
  }));
  return projection;
}

void Contrast::add(const std::vector<uint16_t>& values) {
  for (const uint16_t value : values) ++counts_[value];
  values_ += values.size();
}

void Contrast::settle() {
  const auto percentile = [&](uint64_t per_mille) {
    const uint64_t wanted = values_ * per_mille / 1000;
    uint64_t seen = 0;
    for (uint32_t value = 0; value < counts_.size(); ++value) {
      seen += counts_[value];
      if (seen > wanted) return value;
    }
    return uint32_t{65535};
  };
  black_ = percentile(10);
  white_ = std::max(percentile(998), black_ + 1);
}

uint8_t Contrast::shown(uint16_t value) const {
  const uint32_t clamped = std::clamp<uint32_t>(value, black_, white_);
  return static_cast<uint8_t>((clamped - black_) * 255 / (white_ - black_));
}

bool is_outline(const LabelVolume& labels, uint64_t y, uint64_t x) {
  const uint32_t own = labels.at(0, y, x);
  if (own == 0) return false;
  const auto differs = [&](uint64_t other_y, uint64_t other_x) {
    return labels.at(0, other_y, other_x) != own;
  };
  return (y > 0 && differs(y - 1, x)) || (x > 0 && differs(y, x - 1)) ||
         (y + 1 < labels.extent.y && differs(y + 1, x)) ||
         (x + 1 < labels.extent.x && differs(y, x + 1));
}

Colour label_colour(uint32_t label) {
  constexpr std::array<Colour, 8> kColours = {{{255, 80, 80},
                                               {80, 220, 255},
                                               {255, 210, 60},
                                               {150, 110, 255},
                                               {90, 230, 110},
                                               {255, 120, 220},
                                               {255, 150, 60},
                                               {110, 150, 255}}};
  return kColours[label % kColours.size()];
}

}  // namespace tierhub::imaging
