#include "imaging/labels/segment.h"

#include <fmt/format.h>

#include "imaging/labels/blocks.h"
#include "imaging/voxels/otsu.h"
#include "imaging/voxels/smooth.h"

namespace tierhub::imaging {
namespace {

LabelRecord record_with(const ImageReader& reader, const Box& box, const Threshold& threshold,
                        const SegmentOptions& options) {
  LabelRecord record = record_of(reader.info(), box);
  record.connectivity = options.connectivity;
  record.made_with = {{"sigma", options.sigma}, {"threshold", threshold.value}};
  record.otsu = threshold.otsu;
  return record;
}

Result<LabelBlock> label_block(const SmoothedBlock& block, LabelRecord record) {
  TRY_ASSIGN(Labelled labelled,
             label_components(block.smoothed, *record.threshold(), record.connectivity));
  BlockObjects objects{measure(labelled.labels, block.original, record.box, labelled.count), {}};
  return LabelBlock::of(std::move(record), std::move(labelled.labels), std::move(objects));
}

}  // namespace

Result<LabelBlock> segment_box(const ImageReader& reader, const Box& box, const Halo& halo,
                               const Threshold& threshold, const SegmentOptions& options) {
  TRY(formats::check_region(reader.info(), box));
  TRY(check_halo(halo, options.sigma, reader.shape_at(box.level)));
  TRY_ASSIGN(const SmoothedBlock block, read_smoothed(reader, box, halo, options.sigma));
  return label_block(block, record_with(reader, box, threshold, options));
}

Result<WholeLabels> segment_whole(const ImageReader& reader, const Box& box,
                                  const std::optional<Threshold>& given,
                                  const SegmentOptions& options, const std::string& out) {
  TRY(formats::check_region(reader.info(), box));
  TRY_ASSIGN(const Halo halo, minimum_halo(options.sigma, reader.shape_at(box.level)));
  TRY_ASSIGN(const std::vector<Box> parts, working_parts(reader.info(), box));
  const auto otsu_of = [&](const Histogram& histogram) {
    return given ? *given : otsu_threshold_of(histogram);
  };
  WholeLabels whole;
  std::vector<LabelBlock> blocks;
  if (parts.size() == 1) {
    TRY_ASSIGN(SmoothedBlock block, read_smoothed(reader, box, halo, options.sigma));
    Histogram histogram = empty_histogram(reader, box, options.sigma);
    add_voxels(histogram, block.smoothed);
    TRY_ASSIGN(LabelBlock labels,
               label_block(block, record_with(reader, box, otsu_of(histogram), options)));
    blocks.push_back(std::move(labels));
  } else {
    Histogram histogram;
    if (!given) {
      TRY_ASSIGN(histogram, compute_histogram(reader, box, options.sigma));
    }
    const Threshold threshold = otsu_of(histogram);
    TRY_ASSIGN(OutputFolder folder, OutputFolder::create(out));
    whole.folder.emplace(std::move(folder));
    for (size_t i = 0; i < parts.size(); ++i) {
      TRY_ASSIGN(const LabelBlock labels, segment_box(reader, parts[i], halo, threshold, options));
      const std::string path = fmt::format("{}/{:06}.zarr", whole.folder->path(), i);
      TRY(labels.write(path, options.parallel));
      TRY_ASSIGN(LabelBlock written, LabelBlock::open(path));
      blocks.push_back(std::move(written));
    }
  }
  TRY_ASSIGN(whole.labels, MergedLabels::merge(std::move(blocks), formats::selection_of(box), {}));
  return whole;
}

}  // namespace tierhub::imaging
