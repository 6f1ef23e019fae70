#include "imaging/filters/filter.h"

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

// Of `parts`, boxes of the image.
Result<void> filter_parts(MemoryUse& memory, const ImageReader& reader,
                          const std::vector<Box>& parts, const Filter& filter,
                          const ImageLayout& layout) {
  const Extent shape = reader.shape_at(parts.front().level);
  TRY_ASSIGN(const Halo halo, filter.halo(shape));
  memory.keep_chunks(reader.info(), parts, halo);
  if (filter.use) filter.use(memory, parts);
  for (const Box& part : parts) {
    const Box grown = formats::grow(part, halo, shape);
    memory.read_grey(reader, grown);
    memory.allocate(grey_bytes(part));
    memory.free(grey_bytes(grown));
    write_box(memory, layout, part, formats::PixelType::uint16);
    memory.free(grey_bytes(part));
  }
  return {};
}

MadeImage changed_image(const ImageReader& reader, const Box& box, const Filter& filter,
                        Parallel parallel) {
  MadeImage made;
  made.layout = layout_of_image(reader.info(), box);
  made.write = [&reader, &filter, box, parallel](const Box& part,
                                                 const ImageWriter& image) -> Result<void> {
    const Box owned = absolute_to(part, box);
    TRY_ASSIGN(std::vector<std::byte> numbers, reader.read_numbers(owned));
    TRY(filter.change_numbers(numbers, owned, parallel));
    return image.write_numbers(part, numbers, parallel);
  };
  made.use = [&reader, &filter, box, layout = made.layout](
                 MemoryUse& memory, const std::vector<Box>& parts) -> Result<void> {
    const std::vector<Box> behind = behind_parts(parts, box);
    memory.keep_chunks(reader.info(), behind);
    if (filter.use) filter.use(memory, behind);
    for (const Box& part : behind) {
      const uint64_t bytes = part.voxels() * formats::bytes_of(layout.type);
      memory.allocate(bytes);
      write_box(memory, layout, part, layout.type);
      memory.free(bytes);
    }
    return {};
  };
  return made;
}

MadeImage filtered_image(const ImageReader& reader, const Box& box, const Filter& filter,
                         Parallel parallel) {
  if (filter.change_numbers) return changed_image(reader, box, filter, parallel);
  MadeImage made;
  made.layout = layout_of_box(reader, box);
  if (filter.is_difference) made.layout.scale.offset = 0;
  made.write = [&reader, &filter, box, parallel](const Box& part,
                                                 const ImageWriter& image) -> Result<void> {
    TRY_ASSIGN(const GreyVolume volume, filtered(reader, absolute_to(part, box), filter, parallel));
    return image.write_box(part, volume, parallel);
  };
  made.use = [&reader, &filter, box, layout = made.layout](MemoryUse& memory,
                                                           const std::vector<Box>& parts) {
    return filter_parts(memory, reader, behind_parts(parts, box), filter, layout);
  };
  return made;
}

}  // namespace

Result<void> filter_whole(const ImageReader& reader, const Box& box, const Filter& filter,
                          const std::string& out, Parallel parallel) {
  TRY(formats::check_region(reader.info(), box));
  return make_at_once(filtered_image(reader, box, filter, parallel), out, parallel);
}

Result<void> filter_whole(MemoryUse& memory, const ImageReader& reader, const Box& box,
                          const Filter& filter) {
  return make_at_once(memory, filtered_image(reader, box, filter, Parallel()));
}

Result<void> filter_box(const ImageReader& reader, const Box& box, const Halo& halo,
                        const Filter& filter, const std::string& out, Parallel parallel) {
  TRY(formats::check_region(reader.info(), box));
  const Extent shape = reader.shape_at(box.level);
  TRY_ASSIGN(const Halo needed, filter.halo(shape));
  TRY(check_halo(halo, needed));
  const Box whole = whole_of(box, shape);
  return make_part(filtered_image(reader, whole, filter, parallel), relative_to(box, whole), out);
}

Result<void> filter_box(MemoryUse& memory, const ImageReader& reader, const Box& box,
                        const Filter& filter) {
  const Box whole = whole_of(box, reader.shape_at(box.level));
  return filtered_image(reader, whole, filter, Parallel()).use(memory, {relative_to(box, whole)});
}

}  // namespace tierhub::imaging
