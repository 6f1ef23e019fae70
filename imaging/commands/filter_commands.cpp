#include <memory>

#include <fmt/format.h>

#include "imaging/commands/filter_options.h"
#include "imaging/filters/made_image.h"
#include "imaging/voxels/median.h"
#include "imaging/voxels/morphology.h"
#include "imaging/voxels/smooth.h"
#include "imaging/voxels/tiles.h"

namespace tierhub::imaging {
namespace {

struct SmoothCommand : FilterCommand {
  double sigma = 2;
};

void add_smooth(Registry& registry) {
  const auto options = std::make_shared<SmoothCommand>();
  Operator op(registry, "smooth", "Smooth an image with a Gaussian",
              "imgop smooth --sigma 2 --in vol.ome.zarr --out smooth.ome.zarr");
  op.set_halo({"the radius of the Gaussian: 7 voxels for sigma 2",
               {"sigma"},
               minimum_halo(options->sigma, kLargeVolume).value()});
  add_filter_options(op, *options);
  op.add("--sigma", options->sigma, real(0, kMaxSigma, "pixel"), "Width of the Gaussian in voxels");
  set_filter(op, options, [options](const OpenedPart&) -> Filter {
    const double sigma = options->sigma;
    return {[sigma](const Extent& shape) { return minimum_halo(sigma, shape); },
            [sigma](const GreyVolume& volume, const Box& grown, const Box& owned,
                    const Extent& shape, Parallel parallel) {
              return smooth(volume, grown, owned, sigma, shape, parallel);
            }};
  });
}

struct SpotsCommand : FilterCommand {
  double sigma = 1;
  double wide = 2;
};

void add_difference_of_gaussians(Registry& registry) {
  const auto options = std::make_shared<SpotsCommand>();
  Operator op(registry, "dog",
              "Bring out bright spots: the difference of two Gaussians, 0 where it is negative",
              "imgop dog --sigma 1 --wide 2 --in fish.tif --out spots.ome.zarr");
  op.set_halo({"the larger radius of both Gaussians",
               {"sigma", "wide"},
               minimum_halo(options->sigma, options->wide, kLargeVolume).value()});
  add_filter_options(op, *options);
  op.add("--sigma", options->sigma, real(0, kMaxSigma, "pixel"),
         "Width of the narrow Gaussian in voxels: about a third of the diameter of a spot");
  op.add("--wide", options->wide, real(0, kMaxSigma, "pixel"),
         "Width of the wide Gaussian in voxels: often 1.6 to 2 times the narrow one");
  set_filter(op, options, [options](const OpenedPart&) -> Filter {
    const Sigma narrow = options->sigma, wide = options->wide;
    return {[=](const Extent& shape) { return minimum_halo(narrow, wide, shape); },
            [=](const GreyVolume& volume, const Box& grown, const Box& owned, const Extent& shape,
                Parallel parallel) {
              return difference_of_gaussians(volume, grown, owned, narrow, wide, shape, parallel);
            },
            true};
  });
}

// --radius, and for volumes --radius-z.
struct BoxCommand : FilterCommand {
  uint64_t radius = 0;
  uint64_t radius_z = 0;
  bool has_radius_z = false;

  Halo reach(const Extent& shape, uint64_t times = 1) const {
    const uint64_t z = has_radius_z ? radius_z : radius;
    return radius_in(shape, {z * times, radius * times, radius * times});
  }
};

void add_radius(Operator& op, const std::shared_ptr<BoxCommand>& options, uint64_t most,
                const char* help) {
  op.add("--radius", options->radius, integer(0, most, "pixel"), help)->required();
  CLI::Option* z = op.add("--radius-z", options->radius_z, integer(0, most, "pixel"),
                          "The same along z, if it is another one; 0 works plane by plane");
  op.command().parse_complete_callback([options, z] { options->has_radius_z = z->count() > 0; });
}

void add_background(Registry& registry) {
  const auto options = std::make_shared<BoxCommand>();
  Operator op(registry, "background", "Subtract uneven background: a white top hat with a flat box",
              "imgop background --radius 25 --in dapi.tif --out flat.ome.zarr");
  op.set_halo({"twice the radius", {"radius", "radius-z"}});
  add_filter_options(op, *options);
  add_radius(op, options, 1024,
             "Larger than the radius of the objects: what is brighter and fits into a box of "
             "2 radius + 1 voxels a side stays");
  set_filter(op, options, [options](const OpenedPart&) -> Filter {
    return {[options](const Extent& shape) -> Result<Halo> { return options->reach(shape, 2); },
            [options](const GreyVolume& volume, const Box& grown, const Box& owned,
                      const Extent& shape, Parallel parallel) -> Result<GreyVolume> {
              return white_top_hat(volume, grown, owned, options->reach(shape), shape, parallel);
            },
            true};
  });
}

void add_median(Registry& registry) {
  const auto options = std::make_shared<BoxCommand>();
  Operator op(registry, "median", "Remove single noisy voxels: the median of a box",
              "imgop median --radius 1 --in scan.tif --out clean.ome.zarr");
  op.set_halo({"the radius", {"radius", "radius-z"}});
  add_filter_options(op, *options);
  add_radius(op, options, 90, "How far the box reaches around a voxel");
  set_filter(op, options, [options](const OpenedPart&) -> Filter {
    return {[options](const Extent& shape) -> Result<Halo> { return options->reach(shape); },
            [options](const GreyVolume& volume, const Box& grown, const Box& owned,
                      const Extent& shape, Parallel parallel) {
              return median(volume, grown, owned, options->reach(shape), shape, parallel);
            }};
  });
}

struct PyramidCommand {
  std::string image;
  std::string shrink = "mean";
};

void add_pyramid(Registry& registry) {
  const auto options = std::make_shared<PyramidCommand>();
  Operator op(registry, "pyramid",
              "Add smaller levels to an image that blocks wrote together, if it is large",
              "imgop pyramid --image flat.ome.zarr");
  op.add("--image", options->image, path_in("image"), "OME-Zarr 0.4 image of one channel")
      ->required();
  op.add("--shrink", options->shrink, choice({"mean", "nearest"}),
         "How they are made: mean, or nearest for labels");
  op.set_run([options]() -> Result<void> {
    const auto shrink = options->shrink == "mean" ? pixels::Shrink::mean : pixels::Shrink::nearest;
    TRY_ASSIGN(const size_t levels, add_levels(options->image, shrink, allowed_threads()));
    fmt::print("{} level{}\n", levels, levels == 1 ? "" : "s");
    return {};
  });
}

}  // namespace

void add_filter_commands(Registry& registry) {
  add_smooth(registry);
  add_difference_of_gaussians(registry);
  add_background(registry);
  add_median(registry);
  add_pyramid(registry);
}

}  // namespace tierhub::imaging
