#include "imaging/measures/whole.h"

#include <fmt/format.h>

#include "imaging/images/output.h"
#include "imaging/labels/parts.h"

namespace tierhub::imaging {

Result<Measures> measure_whole(const LabelSource& labels, const std::vector<ImageReader>& images,
                               const MeasurePlan& plan, const LabelRecord& record,
                               const formats::ImageInfo& info, const std::string& table,
                               Parallel parallel) {
  const formats::Selection all = formats::selection_of(record.box);
  Box whole = record.box;
  if (images.empty()) whole.level = 0;  // the only one that labels must have
  TRY_ASSIGN(const std::vector<Box> boxes, working_parts(info, whole));
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
    part.box.level = record.box.level;
    TRY_ASSIGN(const BoxMeasures measures, measure_box(labels, images, plan, part, parallel));
    const std::string path = fmt::format("{}/{:06}.sums", folder.path(), i);
    TRY(write_sums(measures, path));
    TRY_ASSIGN(Sums sums, Sums::open(path));
    parts.push_back(std::move(sums));
  }
  return add_sums(std::move(parts), all);
}

}  // namespace tierhub::imaging
