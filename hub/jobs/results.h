// What a run has written, as a person wants to see it: tables, pictures, images and labels.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"
#include "formats/json.h"
#include "hub/images/root.h"

namespace tierhub::hub {

// {"output": path, "files": [{"path", "kind", "size", "of", "box"}], "left_out": n}. `output` is a folder in
// the namespace. At most 2,000 files, 8 folders deep, sorted by path; an OME-Zarr folder is one.
//   kind  "table", "picture", "image", "labels", "text" or "other"
//   of    of labels: the image that they were made from, which is one of `inputs`; or ""
//   box   of what imgop made: the part of that image, as `imgop --box` has it; or ""
Result<formats::Json> results_json(const Root& root, const std::string& output,
                                   const std::vector<std::string>& inputs);

}  // namespace tierhub::hub
