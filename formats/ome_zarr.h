// OME-Zarr 0.4 (Zarr version 2) and 0.5 (Zarr version 3): one image, its levels and channels.
// https://ngff.openmicroscopy.org/0.4, https://ngff.openmicroscopy.org/0.5
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "formats/image.h"
#include "formats/json.h"

namespace tierhub::formats {

// True if the folder has metadata of any Zarr version.
Result<bool> looks_like_zarr(const FileTree& tree);

Result<std::unique_ptr<Image>> open_ome_zarr(std::shared_ptr<const NotedTree> tree);

// The attributes of a group that OME-Zarr defines: "multiscales", "plate", ...; nothing if `folder`
// of the tree is no group with attributes.
struct ZarrGroup {
  Json ome;
  std::string file;  // where they stand
};
Result<std::optional<ZarrGroup>> read_zarr_group(const FileTree& tree, const std::string& folder);
// The same of a group whose attributes can only be in `file`, "zarr.json" or ".zattrs", as those of the
// group above it are: one read.
Result<std::optional<ZarrGroup>> read_zarr_group_in(const FileTree& tree, const std::string& folder,
                                                    std::string_view file);

// The images of a plate; empty if the folder is no plate.
struct PlateWell {
  std::string path;                 // "A/1", relative to the plate
  std::vector<std::string> images;  // "0", relative to the well
};
Result<std::vector<PlateWell>> read_plate(const FileTree& tree);
// The images of one well, relative to it; empty if the folder is no well.
Result<std::vector<std::string>> read_well(const FileTree& tree, const std::string& folder);

}  // namespace tierhub::formats
