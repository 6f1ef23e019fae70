#include "imaging/labels/segment.h"

#include <algorithm>

#include <fmt/format.h>

#include "imaging/images/halo.h"
#include "imaging/images/memory.h"
#include "imaging/labels/parts.h"
#include "imaging/labels/smoothed.h"
#include "imaging/voxels/local_mean.h"

namespace tierhub::imaging {
namespace {

LabelRecord record_with(const ImageReader& reader, const Box& box, const Threshold& threshold,
                        const SegmentOptions& options) {
  LabelRecord record = record_of(reader, box);
  record.connectivity = options.connectivity;
  formats::Json& made_with = record.made_with;
  made_with["threshold"] = threshold.value;
  const Sigma& sigma = options.sigma;
  if (sigma.z == sigma.x) {
    made_with["sigma"] = sigma.x;
  } else {
    made_with["sigma"] = {sigma.z, sigma.y, sigma.x};
  }
  if (options.local_radius != Halo{})
    made_with["local_radius"] = formats::to_text(options.local_radius);
  if (options.high) made_with["high"] = *options.high;
  if (options.diameter > 0) made_with["diameter"] = options.diameter;
  record.otsu = threshold.otsu;
  return record;
}

// The smoothed voxels of `box` that are brighter than the threshold and than their surroundings.
MaskVolume bright_parts(const SmoothedBlock& block, const Box& box, uint64_t threshold,
                        const SegmentOptions& options, const Extent& shape) {
  MaskVolume bright = brighter_than_local_mean(block.smoothed, block.region, box,
                                               options.local_radius, shape, options.parallel);
  for (uint64_t z = box.z.begin; z < box.z.end; ++z) {
    for (uint64_t y = box.y.begin; y < box.y.end; ++y) {
      const uint16_t* const smoothed = &block.smoothed.at(
          z - block.region.z.begin, y - block.region.y.begin, box.x.begin - block.region.x.begin);
      uint8_t* const row = &bright.at(z - box.z.begin, y - box.y.begin, 0);
      for (uint64_t x = 0; x < box.x.size(); ++x) row[x] = row[x] && smoothed[x] > threshold;
    }
  }
  return bright;
}

Result<Labelled> label_parts(const SmoothedBlock& block, const LabelRecord& record,
                             const SegmentOptions& options) {
  const uint64_t threshold = *record.threshold();
  if (options.local_radius == Halo{})
    return label_components(block.smoothed, threshold, record.connectivity, options.parallel);
  return label_components(bright_parts(block, record.box, threshold, options, record.shape),
                          record.connectivity, options.parallel);
}

Result<void> check_high(const SegmentOptions& options, const LabelRecord& record) {
  const uint64_t threshold = *record.threshold();
  if (options.high.value_or(threshold) >= threshold) return {};
  const GreyScale& scale = record.source.scale;
  return Error(std::errc::invalid_argument,
               fmt::format("the high threshold, {}, is below the threshold, {}: no object would be "
                           "left out by it",
                           number_text(scale, *options.high), number_text(scale, threshold)));
}

Result<LabelBlock> label_block(const SmoothedBlock& block, LabelRecord record,
                               const SegmentOptions& options) {
  TRY(check_high(options, record));
  TRY_ASSIGN(Labelled labelled, label_parts(block, record, options));
  BlockObjects objects{
      measure(labelled.labels, block.original, record.box, labelled.count, options.parallel), {}};
  if (options.high) {
    count_bright(labelled.labels,
                 block.region == record.box ? block.smoothed
                                            : crop(block.smoothed, block.region, record.box),
                 *options.high, objects.sums);
  }
  return LabelBlock::of(std::move(record), std::move(labelled.labels), std::move(objects));
}

// The memory of the labels of a part, which stay.
Result<void> label_part(MemoryUse& memory, const ImageReader& reader, const Box& part,
                        const SegmentOptions& options) {
  TRY_ASSIGN(const Box region,
             read_smoothed(memory, reader, part, options.local_radius, options.sigma));
  const bool has_mask = options.local_radius != Halo{};
  if (has_mask) memory.allocate(part.voxels());
  memory.allocate(label_bytes(part));
  if (has_mask) memory.free(part.voxels());
  memory.free(grey_bytes(part));
  memory.free(grey_bytes(region));
  return {};
}

// Smooths once: a volume that is one part gives its histogram and its labels.
Result<LabelBlock> segment_at_once(const ImageReader& reader, const Box& box,
                                   const SegmentOptions& options) {
  TRY_ASSIGN(const SmoothedBlock block,
             read_smoothed(reader, box, options.local_radius, options.sigma, options.parallel));
  Histogram histogram = empty_histogram(reader, box, options.sigma);
  if (block.region == box) {
    add_voxels(histogram, block.smoothed, options.parallel);
  } else {
    add_voxels(histogram, crop(block.smoothed, block.region, box), options.parallel);
  }
  const Threshold threshold = otsu_threshold_of(histogram, options.otsu_share);
  return label_block(block, record_with(reader, box, threshold, options), options);
}

}  // namespace

Result<Halo> needed_halo(const SegmentOptions& options, const Extent& shape) {
  return needed_halo(options.local_radius, options.sigma, shape);
}

Result<LabelBlock> segment_box(const ImageReader& reader, const Box& box, const Halo& halo,
                               const Threshold& threshold, const SegmentOptions& options) {
  TRY(formats::check_region(reader.info(), box));
  TRY_ASSIGN(const Halo needed, needed_halo(options, reader.shape_at(box.level)));
  TRY(check_halo(halo, needed));
  TRY_ASSIGN(const SmoothedBlock block,
             read_smoothed(reader, box, options.local_radius, options.sigma, options.parallel));
  return label_block(block, record_with(reader, box, threshold, options), options);
}

Result<void> segment_box(MemoryUse& memory, const ImageReader& reader, const Box& box,
                         const SegmentOptions& options) {
  TRY_ASSIGN(const Halo halo, needed_halo(options, reader.shape_at(box.level)));
  memory.keep_chunks(reader.info(), {box}, halo);
  return label_part(memory, reader, box, options);
}

Result<WholeLabels> segment_whole(const ImageReader& reader, const Box& box,
                                  const std::optional<Threshold>& given,
                                  const SegmentOptions& options, const std::string& out) {
  TRY(formats::check_region(reader.info(), box));
  TRY_ASSIGN(const Halo halo, needed_halo(options, reader.shape_at(box.level)));
  TRY_ASSIGN(const std::vector<Box> boxes, working_parts(reader.info(), box));
  std::optional<Threshold> threshold = given;
  if (!threshold && boxes.size() > 1) {
    TRY_ASSIGN(const Histogram histogram,
               compute_histogram(reader, box, options.sigma, options.parallel));
    threshold = otsu_threshold_of(histogram, options.otsu_share);
  }
  TRY_ASSIGN(Parts parts,
             make_parts(reader.info(), box, out, options.parallel, [&](const Box& part) {
               return threshold ? segment_box(reader, part, halo, *threshold, options)
                                : segment_at_once(reader, part, options);
             }));
  WholeLabels whole{std::move(parts.folder), {}};
  TRY_ASSIGN(whole.labels,
             MergedLabels::merge(std::move(parts.blocks), formats::selection_of(box), {}));
  return whole;
}

Result<void> segment_whole(MemoryUse& memory, const ImageReader& reader, const Box& box,
                           const SegmentOptions& options) {
  TRY_ASSIGN(const std::vector<Box> parts, working_parts(reader.info(), box));
  TRY_ASSIGN(const Halo halo, needed_halo(options, reader.shape_at(box.level)));
  memory.keep_chunks(reader.info(), parts, halo);
  return make_parts(memory, reader.info(), box, Joining::touching,
                    [&](const Box& part) { return label_part(memory, reader, part, options); });
}

}  // namespace tierhub::imaging
