// Where the bytes of an image are, by level, time point and slice: /api/residency.
#pragma once

#include "common/result.h"
#include "formats/json.h"
#include "hub/images/store.h"
#include "hub/images/tiers.h"

namespace tierhub::hub {

// {"path", "levels": [{"level", "t", "z", "t_cells", "z_cells", "bytes", "resident", "dirty"}], "complete"} as
// docs/HUB_API.md says, of the stored levels. A cell of many planes is known by its first one. Takes
// about two seconds at most: cells for which there was no time are null, those of the finest levels
// first. Reads no voxels, and fetches nothing.
Result<formats::Json> residency_map(const OpenImage& image, Tiers& tiers);

}  // namespace tierhub::hub
