// Which datasets a folder holds, in itself and in the folders inside.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "formats/image.h"

namespace tierhub::formats {

struct Dataset {
  // Relative to the folder, "." for the folder itself. A series that is not the only dataset of its
  // folder cannot be opened by a path: then this is the path of its pattern.
  std::string path;
  std::optional<ImageInfo> info;
  std::string error;      // why it cannot be read, if there is no info
  bool is_plate = false;  // of SearchLimits::plates: there is neither info nor error
};

struct DatasetList {
  std::vector<Dataset> datasets;  // sorted by path
  // What was not searched, and why: a sentence each.
  std::vector<std::string> left_out;
};

struct SearchLimits {
  size_t depth = 8;  // of folders below the first
  size_t datasets = 10'000;
  size_t names = 1'000'000;  // of files and folders
  // An OME-Zarr plate is a folder of images, or a dataset itself, whose wells are not looked at.
  enum class Plates { searched, listed } plates = Plates::searched;
  // Asked, if it is set, before a file is opened (for a series: its first): the path is relative to
  // the folder. If it says no, the dataset is listed with neither info nor error.
  std::function<bool(const std::string& path)> may_open = {};
};

// An OME-Zarr image, a set of OME-TIFF files, a series and any other image file are one dataset each.
// Opens each of them; files whose ending is not that of an image are not looked at. Hidden files,
// links to folders and links that lead out of `folder` are skipped. An error if `folder` cannot be
// listed.
Result<DatasetList> find_datasets(const std::string& folder, const SearchLimits& limits = {});

}  // namespace tierhub::formats
