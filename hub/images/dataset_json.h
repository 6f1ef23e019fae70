// What a dataset is, for the page: /api/dataset and /api/datasets.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "common/result.h"
#include "formats/json.h"
#include "hub/images/root.h"
#include "hub/images/store.h"
#include "hub/images/tiers.h"

namespace tierhub::hub {

// The object DATASET of docs/HUB_API.md, with its levels.
formats::Json to_json(const OpenImage& image, const Root& root,
                      const std::optional<PathState>& state, const Pyramids& pyramids);

// {"path", "datasets": [DATASET without levels], "left_out": [sentences]} of the
// folder at a path of the namespace, and of the folders in it, `depth` deep. Opens each dataset; of files
// that are in the archive alone only the first kMostColdOpened, so that a look at a folder does not
// fetch a part of each file. A dataset that cannot be opened, or was not, has "error" and an empty
// shape; no dataset of the list has a version or labels.
inline constexpr size_t kMostColdOpened = 32;
Result<formats::Json> datasets_json(const std::string& path, size_t depth, const Root& root,
                                    Tiers& tiers);

}  // namespace tierhub::hub
