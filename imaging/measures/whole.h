// Measures all of a volume in this process, in parts, so that memory stays bounded.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"
#include "imaging/measures/merge_measures.h"

namespace tierhub::imaging {

// The objects in record.box; `info` is of the image that is read. What parts measured lies in a
// folder beside `table` until it is added.
Result<Measures> measure_whole(const LabelSource& labels, const std::vector<ImageReader>& images,
                               const MeasurePlan& plan, const LabelRecord& record,
                               const formats::ImageInfo& info, const std::string& table,
                               Parallel parallel);
Result<void> measure_whole(MemoryUse& memory, const LabelSource& labels,
                           const std::vector<ImageReader>& images, const MeasurePlan& plan,
                           const LabelRecord& record, const formats::ImageInfo& info);

}  // namespace tierhub::imaging
