#include "imaging/images/image_list.h"

#include <filesystem>

#include <fmt/format.h>

#include "formats/datasets.h"
#include "formats/image.h"
#include "formats/ome_zarr.h"

namespace tierhub::imaging {
namespace {

Error no_images(std::string text) { return Error(std::errc::invalid_argument, std::move(text)); }

Result<void> add_images(const std::string& path, std::vector<std::string>& images) {
  if (formats::Image::open(path)) {
    images.push_back(path);
    return {};
  }
  std::error_code ignored;
  if (const auto tree = formats::PosixTree::open(path);
      tree && std::filesystem::is_directory(path, ignored)) {
    TRY_ASSIGN(const auto wells, formats::read_plate(**tree));
    for (const formats::PlateWell& well : wells) {
      for (const std::string& field : well.images)
        images.push_back(fmt::format("{}/{}/{}", path, well.path, field));
    }
    if (!wells.empty()) return {};
  }
  if (!std::filesystem::is_directory(path, ignored)) return formats::Image::open(path).error();
  TRY_ASSIGN(const formats::DatasetList list, formats::find_datasets(path));
  if (!list.left_out.empty()) return no_images(path + ": " + list.left_out.front());
  if (list.datasets.empty()) return no_images("no images in " + path);
  for (const formats::Dataset& dataset : list.datasets) {
    if (!dataset.info) return no_images(dataset.error);
    if (dataset.info->files > 1) {
      return no_images(
          fmt::format("{} in {} is a numbered series next to other images: name its files, or "
                      "convert it with imgop convert --series",
                      dataset.path, path));
    }
    images.push_back(dataset.path == "." ? path : path + "/" + dataset.path);
  }
  return {};
}

}  // namespace

Result<std::vector<std::string>> images_at(const std::vector<std::string>& paths) {
  std::vector<std::string> images;
  for (const std::string& path : paths) TRY(add_images(path, images));
  return images;
}

}  // namespace tierhub::imaging
