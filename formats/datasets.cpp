#include "formats/datasets.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "formats/ome_zarr.h"
#include "formats/series.h"
#include "formats/series_names.h"

namespace tierhub::formats {
namespace {

namespace fs = std::filesystem;

// What lies in one folder, sorted.
struct FolderEntries {
  std::vector<std::string> files;
  std::vector<std::string> folders;
};

class DatasetSearch {
 public:
  DatasetSearch(std::string root, const SearchLimits& limits)
      : root_(std::move(root)), limits_(limits) {}

  Result<DatasetList> run() {
    std::error_code failure;
    real_root_ = fs::canonical(root_, failure).string();
    if (failure) return Error(failure, root_);
    TRY(search());
    std::sort(list_.datasets.begin(), list_.datasets.end(),
              [](const Dataset& a, const Dataset& b) { return a.path < b.path; });
    return std::move(list_);
  }

 private:
  std::string absolute(const std::string& path) const {
    return path.empty() ? root_ : root_ + "/" + path;
  }
  static std::string inside(const std::string& folder, const std::string& name) {
    return folder.empty() ? name : folder + "/" + name;
  }

  // Goes level by level, and in a level finds the folders that are images before it looks into files: if a
  // limit ends the search, thousands of files in one folder do not hide the images beside it. Fails only
  // if the first folder cannot be listed.
  Result<void> search() {
    std::vector<std::string> folders = {""};
    for (size_t depth = 0; !folders.empty() && !full(); ++depth) {
      std::vector<std::pair<std::string, FolderEntries>> plain;
      for (const std::string& folder : folders) {
        if (full()) break;
        auto entries = list(folder);
        if (!entries && folder.empty()) return entries.error();
        if (!entries) {
          list_.left_out.push_back(entries.error().text());
        } else if (!add_zarr(folder)) {
          plain.emplace_back(folder, *std::move(entries));
        }
      }
      folders.clear();
      for (const auto& [folder, entries] : plain) {
        if (!entries.files.empty() && full()) break;
        add_files(folder, entries.files);
        for (const std::string& name : entries.folders) folders.push_back(inside(folder, name));
      }
      if (is_full_ || folders.empty() || depth < limits_.depth) continue;
      list_.left_out.push_back(
          fmt::format("folders more than {} deep were not searched, such as {}", limits_.depth,
                      folders.front()));
      return {};
    }
    return {};
  }

  // True once a limit is reached; called when there may be more.
  bool full() {
    if (!is_full_ && list_.datasets.size() >= limits_.datasets)
      stop(fmt::format("{} datasets", limits_.datasets));
    return is_full_;
  }
  void stop(std::string_view limit) {
    is_full_ = true;
    list_.left_out.push_back(
        fmt::format("the search ended after {}: search a folder inside", limit));
  }

  Result<FolderEntries> list(const std::string& folder) {
    FolderEntries entries;
    std::error_code failure;
    fs::directory_iterator entry(absolute(folder), failure);
    for (; !failure && entry != fs::directory_iterator(); entry.increment(failure)) {
      // A part of a series would be another one.
      if (names_ == limits_.names) {
        stop(fmt::format("{} files and folders", limits_.names));
        return FolderEntries{};
      }
      ++names_;
      std::string name = entry->path().filename().string();
      if (name.starts_with('.')) continue;
      std::error_code ignored;
      if (entry->is_symlink(ignored)) {
        if (leads_to_a_file_inside(entry->path())) entries.files.push_back(std::move(name));
      } else if (entry->is_directory(ignored)) {
        entries.folders.push_back(std::move(name));
      } else if (entry->is_regular_file(ignored)) {
        entries.files.push_back(std::move(name));
      }
    }
    if (failure) return Error(failure, absolute(folder));
    std::sort(entries.files.begin(), entries.files.end());
    std::sort(entries.folders.begin(), entries.folders.end());
    return entries;
  }

  bool leads_to_a_file_inside(const fs::path& link) const {
    std::error_code failure;
    const std::string target = fs::canonical(link, failure).string();
    return !failure && target.starts_with(real_root_ + "/") && fs::is_regular_file(target, failure);
  }

  // Lists what must not be opened.
  bool is_left_closed(const std::string& path, const std::string& first_file) {
    if (!limits_.may_open || limits_.may_open(first_file)) return false;
    list_.datasets.push_back({path, std::nullopt, {}, false});
    return true;
  }

  void add(const std::string& path, const Result<std::unique_ptr<Image>>& image) {
    Dataset dataset{path.empty() ? "." : path, std::nullopt, {}, false};
    if (image) {
      dataset.info = (*image)->info();
    } else {
      dataset.error = image.error().text();
    }
    list_.datasets.push_back(std::move(dataset));
  }

  // Such as the row of a plate. An image that lost its metadata has an array "0".
  static bool is_group_of_groups(const FileTree& tree) {
    const auto group = tree.size_of(".zgroup"), array = tree.size_of("0/.zarray");
    return group && *group && array && !*array;
  }

  // True if the folder is an image, or would be one if it were not damaged. A plate and other groups
  // are folders of images.
  bool add_zarr(const std::string& folder) {
    const auto tree = PosixTree::open(absolute(folder));
    if (!tree) return false;  // it is reported when it is listed
    const auto zarr = looks_like_zarr(**tree);
    if (!zarr || !*zarr) return false;
    const auto group = read_zarr_group(**tree, "");
    if (limits_.plates == SearchLimits::Plates::listed && group && *group &&
        find_member((*group)->ome, "plate") != nullptr) {
      list_.datasets.push_back({folder.empty() ? "." : folder, std::nullopt, {}, true});
      return true;
    }
    auto image = group ? Image::open(*tree) : Result<std::unique_ptr<Image>>(group.error());
    const bool is_group = group && (*group ? find_member((*group)->ome, "multiscales") == nullptr
                                           : is_group_of_groups(**tree));
    const auto array = (*tree)->size_of(".zarray");
    if (!image && is_group && !(array && *array)) return false;
    add(folder, image);
    return true;
  }

  void add_files(const std::string& folder, const std::vector<std::string>& files) {
    FolderNames names = find_series(files);
    const bool alone = names.series.size() == 1 && names.others.empty();
    members_.clear();
    for (SeriesFiles& series : names.series) {
      if (full()) return;
      add_series(folder, std::move(series), alone);
    }
    for (const std::string& name : names.others) {
      if (full()) return;
      add_file(folder, name);
    }
  }

  // Files that describe an image of several files are no series.
  void add_series(const std::string& folder, SeriesFiles series, bool alone) {
    const std::string path = alone ? folder : inside(folder, series.pattern);
    if (is_left_closed(path.empty() ? "." : path, inside(folder, series.names.front()))) return;
    const auto first = Image::open(absolute(inside(folder, series.names.front())));
    if (first && !(*first)->members().empty()) {
      for (const std::string& name : series.names) {
        if (!full()) add_file(folder, name);
      }
      return;
    }
    const auto tree = PosixTree::open(absolute(folder));
    if (!tree) {
      add(path, tree.error());
    } else {
      add(path, open_series(std::make_shared<const NotedTree>(*tree), std::move(series)));
    }
  }

  void add_file(const std::string& folder, const std::string& name) {
    if (members_.contains(name)) return;
    if (is_left_closed(inside(folder, name), inside(folder, name))) return;
    const auto image = Image::open(absolute(inside(folder, name)));
    // Those that were found before it are parts of it, too.
    std::set<std::string> paths;
    for (const std::string& member : image ? (*image)->members() : std::vector<std::string>()) {
      paths.insert(inside(folder, member));
      members_.insert(member);
    }
    std::erase_if(list_.datasets, [&](const Dataset& one) { return paths.contains(one.path); });
    add(inside(folder, name), image);
  }

  const std::string root_;
  const SearchLimits limits_;
  std::string real_root_;
  DatasetList list_;
  std::set<std::string> members_;  // of the folder's images of several files
  size_t names_ = 0;
  bool is_full_ = false;
};

}  // namespace

Result<DatasetList> find_datasets(const std::string& folder, const SearchLimits& limits) {
  std::string root = folder;
  while (root.size() > 1 && root.ends_with('/')) root.pop_back();
  return DatasetSearch(std::move(root), limits).run();
}

}  // namespace tierhub::formats
