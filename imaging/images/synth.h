// Synthetic volumes with known truth: fluorescent nuclei on a slanted background, with blurred
// edges and photon noise.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

struct SynthOptions {
  uint64_t nuclei = 60;
  Extent shape{64, 256, 256};  // z = 1: a plane
  uint64_t seed = 7;
  double touching = 0.04;  // pairs of nuclei that touch, as a share of all nuclei
  // A second channel: a protein of which this share is in the nuclei, the rest in the cells around
  // them. Nothing: one channel.
  std::optional<double> translocation;
};

// An ellipsoid; in the plane its long axis points along (direction_y, direction_x), a unit vector.
struct Nucleus {
  double z = 0, y = 0, x = 0;
  double radius_z = 0, radius_long = 0, radius_short = 0;
  double direction_y = 0, direction_x = 1;
  double brightness = 0;
  bool touches = false;
};

// Places all nuclei; an error if there is no room for them.
Result<std::vector<Nucleus>> place_nuclei(const SynthOptions& options);

// The voxels of `box`; its c is the channel. Each depends on the seed and its place alone, so any
// box can be computed by itself, and only on arithmetic that IEEE 754 fixes, so every machine
// computes the same.
GreyVolume render(const SynthOptions& options, const std::vector<Nucleus>& nuclei, const Box& box);

// Writes the volume to `out` (OME-Zarr) and the truth beside it, as NAME.truth.csv for
// NAME.ome.zarr; returns its path.
Result<std::string> synthesise(const SynthOptions& options, const std::string& out);

}  // namespace tierhub::imaging
