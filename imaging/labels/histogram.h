// Histograms of smoothed blocks, and the threshold of their sum.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"
#include "formats/image.h"
#include "formats/selection.h"
#include "imaging/images/memory.h"
#include "imaging/images/reader.h"
#include "imaging/images/source.h"
#include "imaging/voxels/parallel.h"
#include "imaging/voxels/smooth.h"
#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

// One bin a value, counting the voxels of `box` alone. Two can be added if they come from one
// volume and one sigma.
struct Histogram {
  Source source;
  Box box;
  Extent shape;  // of the whole volume
  Sigma sigma = 0;
  formats::PixelType type = formats::PixelType::uint16;
  std::vector<uint64_t> counts;  // of grey values: 256, or 65536
};

// Of no voxels yet.
Histogram empty_histogram(const ImageReader& reader, const Box& box, const Sigma& sigma);
void add_voxels(Histogram& histogram, const GreyVolume& smoothed, Parallel parallel);

// The histogram of the smoothed voxels of `box`, which needs `halo` voxels around it; computed in
// parts, so that memory does not grow with the box.
Result<Histogram> compute_histogram(const ImageReader& reader, const Box& box, const Sigma& sigma,
                                    Parallel parallel = Parallel());
Result<void> compute_histogram(MemoryUse& memory, const ImageReader& reader, const Box& box,
                               const Sigma& sigma);

std::string to_json_text(const Histogram& histogram);
Result<Histogram> histogram_from_json(std::string_view text, const std::string& path);

// Reads one histogram file, or all *.json of a folder, and adds them. An error unless they tile
// what is selected of their volume, and agree in volume, shape, type and sigma.
Result<Histogram> read_histograms(const std::string& path, const formats::Selection& selection);

// A threshold file, as `imgop threshold` writes it.
struct Threshold {
  uint64_t value = 0;
  Sigma sigma = 0;
  formats::PixelType type = formats::PixelType::uint16;
  GreyScale scale;           // what `value` stands for
  std::optional<Otsu> otsu;  // nothing in files of earlier versions
};
// Otsu's threshold, or a share of the way to it from the darkest value.
Threshold otsu_threshold_of(const Histogram& histogram, double share = 1);
std::string to_json_text(const Threshold& threshold, const Histogram& histogram);
Result<Threshold> threshold_from_json(std::string_view text, const std::string& path);

}  // namespace tierhub::imaging
