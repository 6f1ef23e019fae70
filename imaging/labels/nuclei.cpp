#include "imaging/labels/nuclei.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include "imaging/images/memory.h"
#include "imaging/images/scale.h"
#include "imaging/labels/parts.h"

namespace tierhub::imaging {
namespace {

// A tenth of a disc or a ball.
uint64_t smallest(double diameter, bool is_volume, double height) {
  const double whole = is_volume ? std::numbers::pi / 6 * std::pow(diameter, 3) / height
                                 : std::numbers::pi / 4 * diameter * diameter;
  return std::max<uint64_t>(4, static_cast<uint64_t>(whole / 10));
}

uint64_t rounded(double value) { return static_cast<uint64_t>(std::lround(value)); }

}  // namespace

NucleusRule nucleus_rule(double diameter, const formats::ImageInfo& info, const Box& box) {
  const formats::VoxelSize& size = info.levels[box.level].voxel_size;
  const Extent shape = info.levels[box.level].shape.extent();
  const bool is_volume = shape.z > 1;
  const double height = voxel_height(size, shape);
  NucleusRule rule;
  rule.diameter = diameter;
  const double sigma = std::min(kMaxSigma, std::max(0.85, diameter / 24));
  rule.sigma = {std::min(kMaxSigma, sigma / height), sigma, sigma};
  const double radius = 0.4 * diameter;
  rule.local_radius = {is_volume ? std::max<uint64_t>(1, rounded(radius / height)) : 0,
                       rounded(radius), rounded(radius)};
  rule.pieces.h = 0.03 * diameter;
  rule.pieces.steps = steps_of(size, shape);
  rule.filter.min_voxels = smallest(diameter, is_volume, height);
  return rule;
}

Result<double> parse_diameter(std::string_view text, const formats::ImageInfo& info,
                              uint64_t level) {
  TRY_ASSIGN(const double value, parse_length(text, "--diameter", info, level));
  if (value >= kMinDiameter && value <= kMaxDiameter) return value;
  return Error(std::errc::invalid_argument,
               fmt::format("a diameter of {:.4g} pixels is not between {} and {}: choose another "
                           "level, where nuclei are smaller or larger",
                           value, kMinDiameter, kMaxDiameter));
}

Result<uint64_t> smallest_nucleus(const LabelRecord& record) {
  const auto diameter = formats::get_number(record.made_with, "diameter");
  if (!diameter) {
    return Error(std::errc::invalid_argument,
                 "the labels were made without --diameter: use --min-size");
  }
  const bool is_volume = record.shape.z > 1;
  return smallest(*diameter, is_volume, voxel_height(record.voxel_size, record.shape));
}

SegmentOptions segment_options(const NucleusRule& rule) {
  SegmentOptions options;
  options.sigma = rule.sigma;
  options.local_radius = rule.local_radius;
  options.otsu_share = rule.otsu_share;
  options.diameter = rule.diameter;
  options.parallel = rule.pieces.parallel;
  return options;
}

Result<WholeLabels> find_nuclei(const ImageReader& reader, const Box& box, const NucleusRule& rule,
                                const std::string& out) {
  TRY_ASSIGN(const WholeLabels objects,
             segment_whole(reader, box, std::nullopt, segment_options(rule), out));
  const auto make = [&](const Box& part) -> Result<LabelBlock> {
    TRY_ASSIGN(const GreyVolume original, reader.read_grey(part));
    return find_pieces(objects.labels, original, part, rule.pieces);
  };
  TRY_ASSIGN(Parts parts, make_parts(reader.info(), box, out, rule.pieces.parallel, make));
  WholeLabels nuclei{std::move(parts.folder), {}};
  TRY_ASSIGN(nuclei.labels,
             MergedLabels::merge(std::move(parts.blocks), formats::selection_of(box), rule.filter));
  return nuclei;
}

Result<void> find_nuclei(MemoryUse& memory, const ImageReader& reader, const Box& box,
                         const NucleusRule& rule) {
  TRY(segment_whole(memory, reader, box, segment_options(rule)));
  const auto make = [&](const Box& part) -> Result<void> {
    memory.read_grey(reader, part);
    find_pieces(memory, part, rule.pieces, {});
    memory.free(grey_bytes(part));
    return {};
  };
  return make_parts(memory, reader.info(), box, Joining::keys, make);
}

}  // namespace tierhub::imaging
