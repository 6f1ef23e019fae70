#include "imaging/pictures/project.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "imaging/images/png.h"

namespace tierhub::imaging {
namespace {

constexpr uint64_t kMaxPixels = uint64_t{1} << 30;
constexpr uint64_t kSlabVoxels = uint64_t{1} << 25;

// Calls `use` with one slab of planes of the box after the other.
template <class Use>
Result<void> for_each_slab(const Box& box, Use&& use) {
  const uint64_t planes = std::max<uint64_t>(1, kSlabVoxels / (box.y.size() * box.x.size()));
  TRY_ASSIGN(const std::vector<Box> slabs,
             formats::tile(box, {planes, box.y.size(), box.x.size()}));
  for (const Box& slab : slabs) TRY(use(slab));
  return {};
}

template <class T>
void keep_maximum(const Volume<T>& slab, Volume<T>& projection) {
  const size_t plane = projection.voxels.size();
  for (size_t i = 0; i < slab.voxels.size(); ++i) {
    T& pixel = projection.voxels[i % plane];
    pixel = std::max(pixel, slab.voxels[i]);
  }
}

std::vector<uint8_t> stretch(const GreyVolume& projection) {
  std::vector<uint64_t> counts(65536);
  for (const uint16_t value : projection.voxels) ++counts[value];
  const auto percentile = [&](uint64_t per_mille) {
    const uint64_t wanted = projection.voxels.size() * per_mille / 1000;
    uint64_t seen = 0;
    for (uint32_t value = 0; value < counts.size(); ++value) {
      seen += counts[value];
      if (seen > wanted) return value;
    }
    return uint32_t{65535};
  };
  const uint32_t black = percentile(10);
  const uint32_t white = std::max(percentile(998), black + 1);
  std::vector<uint8_t> pixels(projection.voxels.size());
  for (size_t i = 0; i < pixels.size(); ++i) {
    const uint32_t value = std::clamp<uint32_t>(projection.voxels[i], black, white);
    pixels[i] = static_cast<uint8_t>((value - black) * 255 / (white - black));
  }
  return pixels;
}

// Neighbouring numbers get colours far apart.
std::array<uint8_t, 3> colour_of(uint32_t label) {
  constexpr std::array<std::array<uint8_t, 3>, 8> kColours = {{{255, 80, 80},
                                                               {80, 220, 255},
                                                               {255, 210, 60},
                                                               {150, 110, 255},
                                                               {90, 230, 110},
                                                               {255, 120, 220},
                                                               {255, 150, 60},
                                                               {110, 150, 255}}};
  return kColours[label % kColours.size()];
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

void draw_outlines(const LabelVolume& labels, PngImage& image) {
  std::vector<uint8_t> rgb(image.samples.size() * 3);
  for (uint64_t y = 0; y < labels.extent.y; ++y) {
    for (uint64_t x = 0; x < labels.extent.x; ++x) {
      const size_t i = labels.index(0, y, x);
      std::array<uint8_t, 3> pixel = {image.samples[i], image.samples[i], image.samples[i]};
      if (is_outline(labels, y, x)) pixel = colour_of(labels.voxels[i]);
      std::copy(pixel.begin(), pixel.end(), rgb.begin() + static_cast<ptrdiff_t>(i * 3));
    }
  }
  image.colour = PngColour::rgb;
  image.samples = std::move(rgb);
}

}  // namespace

Result<void> project(const ImageReader& image, const Box& box, const ImageReader* labels,
                     const std::string& out) {
  if (box.y.size() > kMaxPixels / box.x.size()) {
    return Error(std::errc::file_too_large,
                 "the image is too large for a PNG: choose a smaller level with --select");
  }
  GreyVolume projection({1, box.y.size(), box.x.size()});
  TRY(for_each_slab(box, [&](const Box& slab) -> Result<void> {
    TRY_ASSIGN(const GreyVolume volume, image.read_grey(slab));
    keep_maximum(volume, projection);
    return {};
  }));
  PngImage picture{static_cast<uint32_t>(box.x.size()), static_cast<uint32_t>(box.y.size()),
                   PngColour::grey, stretch(projection)};
  if (labels != nullptr) {
    TRY_ASSIGN(const LabelVolume outlines, project_labels(*labels, box.extent()));
    draw_outlines(outlines, picture);
  }
  return write_png(out, picture);
}

}  // namespace tierhub::imaging
