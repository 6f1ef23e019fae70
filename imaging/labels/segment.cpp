#include "imaging/labels/segment.h"

#include "imaging/labels/parts.h"
#include "imaging/labels/smoothed.h"
#include "imaging/voxels/local_mean.h"

namespace tierhub::imaging {
namespace {

LabelRecord record_with(const ImageReader& reader, const Box& box, const Threshold& threshold,
                        const SegmentOptions& options) {
  LabelRecord record = record_of(reader.info(), box);
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
  if (options.diameter > 0) made_with["diameter"] = options.diameter;
  record.otsu = threshold.otsu;
  return record;
}

// Voxels that are not brighter than their surroundings become 0, which is never above a threshold.
GreyVolume brighter_parts(const SmoothedBlock& block, const Box& box, const SegmentOptions& options,
                          const Extent& shape) {
  GreyVolume smoothed = crop(block.smoothed, block.region, box);
  const Volume<uint8_t> brighter = brighter_than_local_mean(
      block.smoothed, block.region, box, options.local_radius, shape, options.parallel);
  for (size_t i = 0; i < smoothed.voxels.size(); ++i) {
    if (brighter.voxels[i] == 0) smoothed.voxels[i] = 0;
  }
  return smoothed;
}

Result<LabelBlock> label_block(const SmoothedBlock& block, LabelRecord record,
                               const SegmentOptions& options) {
  const bool is_local = options.local_radius != Halo{};
  TRY_ASSIGN(Labelled labelled,
             label_components(is_local ? brighter_parts(block, record.box, options, record.shape)
                                       : block.smoothed,
                              *record.threshold(), record.connectivity));
  BlockObjects objects{measure(labelled.labels, block.original, record.box, labelled.count), {}};
  return LabelBlock::of(std::move(record), std::move(labelled.labels), std::move(objects));
}

// Smooths once: a volume that is one part gives its histogram and its labels.
Result<LabelBlock> segment_at_once(const ImageReader& reader, const Box& box,
                                   const SegmentOptions& options) {
  TRY_ASSIGN(const SmoothedBlock block,
             read_smoothed(reader, box, options.local_radius, options.sigma, options.parallel));
  Histogram histogram = empty_histogram(reader, box, options.sigma);
  add_voxels(histogram,
             block.region == box ? block.smoothed : crop(block.smoothed, block.region, box));
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

}  // namespace tierhub::imaging
