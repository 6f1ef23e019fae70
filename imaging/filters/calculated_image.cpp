#include "imaging/filters/calculated_image.h"

#include <fmt/format.h>

namespace tierhub::imaging {
namespace {

Result<Halo> no_halo(const Extent&) { return Halo{}; }

}  // namespace

Result<Filter> calculation(const ImageReader& image, const Box& box, const ImageReader& other,
                           const Box& volume, const Formula& formula) {
  TRY(check_grey(image));
  TRY(check_grey(other));
  const Extent own = image.shape_at(box.level), others = other.shape_at(volume.level);
  if (own != others) {
    return Error(
        std::errc::invalid_argument,
        fmt::format("{} has the size {}, {} {}: both must have the same", image.info().path,
                    formats::to_text(own), other.info().path, formats::to_text(others)));
  }
  return Filter{no_halo,
                [=, &other](const GreyVolume& voxels, const Box&, const Box& owned, const Extent&,
                            Parallel parallel) -> Result<GreyVolume> {
                  Box same = owned;
                  same.level = volume.level;
                  same.t = volume.t;
                  same.c = volume.c;
                  TRY_ASSIGN(const GreyVolume others_voxels, other.read_grey(same));
                  return calculate(voxels, others_voxels, formula, parallel);
                }};
}

Result<Filter> calculation(const ImageReader& image, double number, const Formula& formula) {
  TRY(check_grey(image));
  return Filter{no_halo,
                [=](const GreyVolume& voxels, const Box&, const Box&, const Extent&,
                    Parallel parallel) -> Result<GreyVolume> {
                  return calculate(voxels, number, formula, parallel);
                }};
}

}  // namespace tierhub::imaging
