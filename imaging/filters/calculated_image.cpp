#include "imaging/filters/calculated_image.h"

#include <fmt/format.h>

namespace tierhub::imaging {
namespace {

Result<Halo> no_halo(const Extent&) { return Halo{}; }

// `box` in another volume.
Box same_place(Box box, const Box& volume) {
  box.level = volume.level;
  box.t = volume.t;
  box.c = volume.c;
  return box;
}

}  // namespace

Result<Filter> calculation(const ImageReader& image, const Box& box,
                           std::shared_ptr<const ImageReader> other, const Box& volume,
                           const Formula& formula) {
  const Extent own = image.shape_at(box.level), others = other->shape_at(volume.level);
  if (own != others) {
    return Error(
        std::errc::invalid_argument,
        fmt::format("{} has the size {}, {} {}: both must have the same", image.info().path,
                    formats::to_text(own), other->info().path, formats::to_text(others)));
  }
  Filter filter;
  filter.halo = no_halo;
  filter.apply = [=](const GreyVolume& voxels, const Box&, const Box& owned, const Extent&,
                     Parallel parallel) -> Result<GreyVolume> {
    TRY_ASSIGN(const GreyVolume others_voxels, other->read_grey(same_place(owned, volume)));
    return calculate(voxels, others_voxels, formula, parallel);
  };
  const bool are_grey = !image.needs_scale() && !other->needs_scale();
  filter.use = [=](MemoryUse& memory, const std::vector<Box>& parts) {
    std::vector<Box> same;
    for (const Box& part : parts) same.push_back(same_place(part, volume));
    memory.keep_chunks(other->info(), same);
    const uint64_t bytes = formats::bytes_of(other->info().type);
    memory.allocate(are_grey ? grey_bytes(same.front()) : same.front().voxels() * bytes);
  };
  if (are_grey) return filter;
  filter.change_numbers =
      [=, type = image.info().type, names = image.info().path + ", " + other->info().path](
          std::span<std::byte> numbers, const Box& owned, Parallel parallel) -> Result<void> {
    TRY_ASSIGN(const std::vector<std::byte> others_numbers,
               other->read_numbers(same_place(owned, volume)));
    auto done =
        calculate_numbers(type, numbers, other->info().type, others_numbers, formula, parallel);
    if (!done) return done.error().in(names);
    return {};
  };
  return filter;
}

Result<Filter> calculation(const ImageReader& image, double number, const Formula& formula) {
  Filter filter;
  filter.halo = no_halo;
  filter.apply = [=](const GreyVolume& voxels, const Box&, const Box&, const Extent&,
                     Parallel parallel) -> Result<GreyVolume> {
    return calculate(voxels, number, formula, parallel);
  };
  if (!image.needs_scale()) return filter;
  filter.change_numbers = [=, type = image.info().type, name = image.info().path](
                              std::span<std::byte> numbers, const Box&,
                              Parallel parallel) -> Result<void> {
    auto done = calculate_numbers(type, numbers, number, formula, parallel);
    if (!done) return done.error().in(name);
    return {};
  };
  return filter;
}

}  // namespace tierhub::imaging
