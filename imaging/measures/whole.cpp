#include "imaging/measures/whole.h"

#include <fmt/format.h>

#include "imaging/images/output.h"
#include "imaging/labels/parts.h"

namespace tierhub::imaging {
namespace {

// The parts; `info` is of the labels, which need to have level 0 alone, if there is no image.
Result<std::vector<Box>> boxes_of(const formats::ImageInfo& info, const LabelRecord& record,
                                  bool is_of_labels) {
  Box whole = record.box;
  if (is_of_labels) whole.level = 0;
  TRY_ASSIGN(std::vector<Box> boxes, working_parts(info, whole));
  for (Box& box : boxes) box.level = record.box.level;
  return boxes;
}

}  // namespace

Result<Measures> measure_whole(const LabelSource& labels, const std::vector<ImageReader>& images,
                               const MeasurePlan& plan, const LabelRecord& record,
                               const formats::ImageInfo& info, const std::string& table,
                               Parallel parallel) {
  const formats::Selection all = formats::selection_of(record.box);
  TRY_ASSIGN(const std::vector<Box> boxes, boxes_of(info, record, images.empty()));
  std::vector<Sums> parts;
  if (boxes.size() == 1) {
    TRY_ASSIGN(BoxMeasures measures, measure_box(labels, images, plan, record, parallel));
    TRY_ASSIGN(Sums sums, Sums::of(std::move(measures)));
    parts.push_back(std::move(sums));
    return add_sums(std::move(parts), all);
  }
  TRY_ASSIGN(const OutputFolder folder, OutputFolder::create(table));
  for (size_t i = 0; i < boxes.size(); ++i) {
    LabelRecord part = record;
    part.box = boxes[i];
    TRY_ASSIGN(const BoxMeasures measures, measure_box(labels, images, plan, part, parallel));
    const std::string path = fmt::format("{}/{:06}.sums", folder.path(), i);
    TRY(write_sums(measures, path));
    TRY_ASSIGN(Sums sums, Sums::open(path));
    parts.push_back(std::move(sums));
  }
  return add_sums(std::move(parts), all);
}

Result<void> measure_whole(MemoryUse& memory, const LabelSource& labels,
                           const std::vector<ImageReader>& images, const MeasurePlan& plan,
                           const LabelRecord& record, const formats::ImageInfo& info) {
  TRY_ASSIGN(const std::vector<Box> boxes, boxes_of(info, record, images.empty()));
  return measure_boxes(memory, labels, images, plan, record, boxes);
}

}  // namespace tierhub::imaging
