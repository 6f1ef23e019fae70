#include "imaging/pictures/project.h"

#include "imaging/images/png.h"
#include "imaging/images/slabs.h"
#include "imaging/pictures/projection.h"

namespace tierhub::imaging {
namespace {

void draw_outlines(const LabelVolume& labels, PngImage& image) {
  std::vector<uint8_t> rgb(image.samples.size() * 3);
  for (uint64_t y = 0; y < labels.extent.y; ++y) {
    for (uint64_t x = 0; x < labels.extent.x; ++x) {
      const size_t i = labels.index(0, y, x);
      Colour pixel{image.samples[i], image.samples[i], image.samples[i]};
      if (is_outline(labels, y, x)) pixel = label_colour(labels.voxels[i]);
      rgb[i * 3] = pixel.red;
      rgb[i * 3 + 1] = pixel.green;
      rgb[i * 3 + 2] = pixel.blue;
    }
  }
  image.colour = PngColour::rgb;
  image.samples = std::move(rgb);
}

}  // namespace

Result<void> project(const ImageReader& image, const Box& box, Projection method,
                     const ImageReader* labels, const std::string& out) {
  TRY_ASSIGN(const GreyVolume projection, project_grey(image, box, method));
  Contrast contrast;
  contrast.add(projection.voxels);
  contrast.settle();
  PngImage picture{static_cast<uint32_t>(box.x.size()), static_cast<uint32_t>(box.y.size()),
                   PngColour::grey, pixels::PngEffort::small,
                   std::vector<uint8_t>(projection.voxels.size())};
  for (size_t i = 0; i < projection.voxels.size(); ++i)
    picture.samples[i] = contrast.shown(projection.voxels[i]);
  if (labels != nullptr) {
    TRY_ASSIGN(const LabelVolume outlines, project_labels(*labels, box.extent()));
    draw_outlines(outlines, picture);
  }
  return write_png(out, picture);
}

Result<void> project(MemoryUse& memory, const ImageReader& image, const Box& box,
                     const ImageReader* labels) {
  const uint64_t pixels = box.y.size() * box.x.size();
  TRY_ASSIGN(const std::vector<Box> slabs, slabs_of(box));
  memory.keep_chunks(image.info(), slabs);
  TRY(project_along_z(memory, image, box));
  memory.allocate(pixels * sizeof(uint16_t));
  memory.free(pixels * sizeof(uint32_t));
  memory.allocate(pixels);
  if (labels != nullptr) {
    TRY_ASSIGN(const Box whole, formats::whole_volume(labels->info()));
    TRY_ASSIGN(const std::vector<Box> read, slabs_of(whole));
    memory.keep_chunks(labels->info(), read);
    memory.allocate(pixels * sizeof(uint32_t));
    memory.allocate(label_bytes(read.front()));
    memory.free(label_bytes(read.front()));
    memory.allocate(3 * pixels);
  }
  memory.allocate((labels == nullptr ? 1 : 3) * pixels);  // the file
  return {};
}

}  // namespace tierhub::imaging
