// Images of one shape and type in numbered files, joined along t, c and z.
#pragma once

#include <memory>

#include "common/result.h"
#include "formats/image.h"
#include "formats/series_names.h"

namespace tierhub::formats {

// The series that the image files of a folder are. The first file says what each of them is like;
// another one is opened when its chunks are asked for, and is an error by name then if it is
// unlike the first. Files of several planes or channels are joined in the order of their numbers.
// An error if the folder holds anything else than exactly one series, or if a file is missing.
Result<std::unique_ptr<Image>> open_series(std::shared_ptr<const NotedTree> tree);

// Opens the series that `files`, which lie in the tree's folder, are.
Result<std::unique_ptr<Image>> open_series(std::shared_ptr<const NotedTree> tree,
                                           SeriesFiles files);

}  // namespace tierhub::formats
