#include "imaging/labels/block_files.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

namespace tierhub::imaging {

Result<std::vector<std::string>> block_files(const std::string& path, std::string_view thing) {
  namespace fs = std::filesystem;
  std::error_code failure;
  if (!fs::is_directory(path, failure)) return std::vector{path};
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(path, failure)) {
    const std::string name = entry.path().filename().string();
    if (entry.path().extension() == ".json" && !name.starts_with('.'))
      files.push_back(entry.path().string());
  }
  if (failure) return Error(failure, fmt::format("list {}: {}", path, failure.message()));
  if (files.empty()) {
    return Error(std::errc::invalid_argument,
                 fmt::format("{} holds no {}: no name in it ends in .json", path, thing));
  }
  std::sort(files.begin(), files.end());
  return files;
}

Result<Box> tiled_box(const std::vector<Box>& boxes, const Extent& shape,
                      const formats::Selection& selection, const std::string& path) {
  TRY_ASSIGN(const Box box, formats::part_of(whole_of(boxes.front(), shape), selection));
  if (auto tiled = formats::check_tiling(boxes, box); !tiled) {
    return tiled.error().in(path +
                            " (use --select to name the part, if only part of it was selected)");
  }
  return box;
}

}  // namespace tierhub::imaging
