#include "imaging/filters/filter.h"

#include <fmt/format.h>

#include "imaging/filters/made_image.h"
#include "imaging/images/halo.h"
#include "imaging/images/memory.h"

namespace tierhub::imaging {
namespace {

Result<GreyVolume> filtered(const ImageReader& reader, const Box& box, const Filter& filter,
                            Parallel parallel) {
  const Extent shape = reader.shape_at(box.level);
  TRY_ASSIGN(const Halo halo, filter.halo(shape));
  const Box grown = formats::grow(box, halo, shape);
  TRY_ASSIGN(const GreyVolume volume, reader.read_grey(grown));
  return filter.apply(volume, grown, box, shape, parallel);
}

ImageLayout filtered_layout(const ImageReader& reader, const Box& box, const Filter& filter) {
  ImageLayout layout = layout_of_box(reader, box);
  if (filter.is_difference) layout.scale.offset = 0;
  return layout;
}

}  // namespace

Result<void> check_grey(const ImageReader& reader) {
  if (!reader.needs_scale()) return {};
  return Error(std::errc::not_supported,
               fmt::format("{} has {} pixels, and this works on uint8 and uint16 alone",
                           reader.info().path, reader.info().type_name));
}

Result<void> filter_whole(const ImageReader& reader, const Box& box, const Filter& filter,
                          const std::string& out, Parallel parallel) {
  TRY(formats::check_region(reader.info(), box));
  const auto write = [&](const Box& part, const ImageWriter& image) -> Result<void> {
    TRY_ASSIGN(const GreyVolume volume, filtered(reader, absolute_to(part, box), filter, parallel));
    return image.write_box(part, volume, parallel);
  };
  return make_at_once({filtered_layout(reader, box, filter), write}, out, parallel);
}

Result<uint64_t> memory_of_filter(const ImageReader& reader, const Box& box, const Filter& filter,
                                  Parallel parallel) {
  const Extent shape = reader.shape_at(box.level);
  TRY_ASSIGN(const Halo halo, filter.halo(shape));
  MemoryUse memory(parallel);
  memory.read_grey(reader, formats::grow(box, halo, shape));
  memory.allocate(grey_bytes(box));
  memory.pack_chunks(grey_bytes(box), layout_of_box(reader, box).chunk.voxels() * sizeof(uint16_t));
  return memory.peak();
}

Result<void> filter_box(const ImageReader& reader, const Box& box, const Halo& halo,
                        const Filter& filter, const std::string& out, Parallel parallel) {
  TRY(formats::check_region(reader.info(), box));
  const Extent shape = reader.shape_at(box.level);
  TRY_ASSIGN(const Halo needed, filter.halo(shape));
  TRY(check_halo(halo, needed));
  TRY_ASSIGN(const GreyVolume volume, filtered(reader, box, filter, parallel));
  const auto write = [&](const Box& part, const ImageWriter& image) {
    return image.write_box(part, volume, parallel);
  };
  return make_part({filtered_layout(reader, whole_of(box, shape), filter), write}, box, out);
}

}  // namespace tierhub::imaging
