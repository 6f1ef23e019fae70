// Images in HDF5 files: Imaris, BigDataViewer, and plain files with one array.
#pragma once

#include <memory>
#include <string_view>

#include "common/result.h"
#include "formats/image.h"

namespace tierhub::formats {

// `head` has the first bytes of a file: 520 or more, if it is that long.
bool is_hdf5_header(std::string_view head);

// A file with several arrays that is neither Imaris nor BigDataViewer is an error that lists them.
Result<std::unique_ptr<Image>> open_hdf5(std::shared_ptr<const NotedTree> tree);

}  // namespace tierhub::formats
