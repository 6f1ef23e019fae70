// Finished labels with the sums of their objects, whichever program wrote them.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"
#include "imaging/labels/segment.h"
#include "imaging/voxels/parallel.h"

namespace tierhub::imaging {

struct FinishedLabels {
  WholeLabels whole;
  std::vector<Box> parts;  // to read them in, with bounded memory

  const MergedLabels& labels() const { return whole.labels; }
};

// Labels that imgop wrote have their sums; those of a label image of another program are computed.
// If it is too large for memory, that is done in parts, which are kept beside `out`.
Result<FinishedLabels> open_finished_labels(const std::string& path, const std::string& out,
                                            Parallel parallel);

}  // namespace tierhub::imaging
