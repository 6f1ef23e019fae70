#include "imaging/labels/segment.h"

#include <fmt/format.h>

#include "imaging/labels/blocks.h"
#include "imaging/labels/histogram.h"
#include "imaging/labels/merge.h"
#include "imaging/voxels/otsu.h"
#include "imaging/voxels/smooth.h"

namespace tierhub::imaging {
namespace {

LabelRecord record_of(const ImageReader& reader, const Box& box, uint64_t threshold,
                      const SegmentOptions& options) {
  LabelRecord record;
  record.source = source_of(reader.info());
  record.otsu = options.otsu;
  record.box = box;
  record.shape = reader.shape_at(box.level);
  record.sigma = options.sigma;
  record.threshold = threshold;
  record.connectivity = options.connectivity;
  record.dimensions = reader.info().has_axis(formats::Axis::z) ? Dimensions::zyx : Dimensions::yx;
  record.voxel_size = reader.info().levels[box.level].voxel_size;
  return record;
}

}  // namespace

Result<SegmentResult> segment_box(ImageReader& reader, const Box& box, const Halo& halo,
                                  uint64_t threshold, const SegmentOptions& options) {
  TRY(formats::check_region(reader.info(), box));
  TRY(check_halo(halo, options.sigma, reader.shape_at(box.level)));
  TRY_ASSIGN(SmoothedBlock block, read_smoothed(reader, box, halo, options.sigma));
  TRY_ASSIGN(const Labelled labelled,
             label_components(block.smoothed, threshold, options.connectivity));
  block.smoothed = {};
  const std::vector<ObjectSums> objects =
      measure(labelled.labels, block.original, box, labelled.count);
  const LabelRecord record = record_of(reader, box, threshold, options);
  TRY_ASSIGN(LabelWriter writer, create_label_folder(options.out, record, objects));
  TRY(writer.write_all(labelled.labels));
  if (!options.table.empty()) TRY(write_output_file(options.table, table_to_csv(objects)));
  TRY(writer.commit());
  return SegmentResult{labelled.count, record};
}

Result<SegmentResult> segment_whole(ImageReader& reader, const Box& box,
                                    std::optional<uint64_t> threshold,
                                    const SegmentOptions& options) {
  TRY(formats::check_region(reader.info(), box));
  TRY_ASSIGN(const Halo halo, minimum_halo(options.sigma, reader.shape_at(box.level)));
  SegmentOptions part_options = options;
  if (!threshold) {
    TRY_ASSIGN(const Histogram histogram, compute_histogram(reader, box, options.sigma));
    threshold = otsu_threshold(histogram.counts);
    part_options.otsu = Otsu{histogram.source.image, box};
  }
  TRY_ASSIGN(const std::vector<Box> parts, working_parts(reader.info(), box));
  TRY_ASSIGN(const OutputFolder work, OutputFolder::create(options.out));
  part_options.table.clear();
  for (size_t i = 0; i < parts.size(); ++i) {
    part_options.out = fmt::format("{}/{:06}.zarr", work.path(), i);
    TRY(segment_box(reader, parts[i], halo, *threshold, part_options));
  }
  TRY_ASSIGN(const MergeResult merged,
             merge_labels({work.path(), formats::selection_of(box), options.out, options.table}));
  return SegmentResult{merged.objects, merged.record};
}

}  // namespace tierhub::imaging
