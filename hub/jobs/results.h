// What a run has written, as a person wants to see it: tables, pictures, images and labels.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"
#include "formats/json.h"
#include "hub/images/root.h"
#include "hub/images/tiers.h"

namespace tierhub::hub {

// {"output": path, "files": [{"path", "kind", "size", "of", "box"}], "left_out": n}. `output` is a folder in
// the namespace. At most 2,000 files out of 20,000 names, 8 folders deep, sorted by path; an OME-Zarr
// folder is one. Metadata in the archive is not waited for: a folder that ends in .zarr is an image
// then.
//   kind  "table", "picture", "image", "labels", "text" or "other"
//   of    of labels: the image that they were made from, which is one of `inputs`; or ""
//   box   of what imgop made: the part of that image, as `imgop --box` has it; or ""
Result<formats::Json> results_json(const Root& root, Tiers& tiers, const std::string& output,
                                   const std::vector<std::string>& inputs);

}  // namespace tierhub::hub
