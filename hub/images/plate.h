// Plates of an OME-Zarr: their wells and the images in them.
#pragma once

#include <optional>
#include <string>

#include "common/result.h"
#include "formats/json.h"
#include "hub/images/root.h"
#include "hub/images/tiers.h"

namespace tierhub::hub {

// What a plate or a well is, for /api/dataset: {"path", "name", "plate": {"name", "rows", "columns", "wells",
// "acquisitions"}}, as docs/HUB_API.md says. A well is a plate of one well. Reads the metadata of each
// well, all of them at once, but opens no image. `json` is null if there is neither a plate nor a well
// at the path; `cold` if metadata is in the archive, which has been asked for.
struct PlateAnswer {
  formats::Json json;
  std::optional<Missing> cold;
};
Result<PlateAnswer> plate_at(const std::string& path, const Root& root, Tiers& tiers);

// The first image of a plate or a well, by its path in the namespace; nothing if there is none.
Result<std::optional<std::string>> first_field_of(const std::string& path, const Root& root);

}  // namespace tierhub::hub
