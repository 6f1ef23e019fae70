#include "tools/tierctl/dataset.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "api/errors.h"
#include "tools/tierctl/paths.h"

namespace tierhub::tierctl {
namespace {

// Of one question; tierd answers about twice as many at once.
constexpr size_t kFilesAtOnce = 5'000;
constexpr size_t kPartsAtOnce = 50'000;

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

std::string Dataset::path_of(const std::string& file) const {
  return (folder == "/" ? "" : folder) + "/" + file;
}

Result<Dataset> open_dataset(const api::Client& client, const std::string& path) {
  TRY_ASSIGN(const auto resolved, resolve_paths(client, {path}));
  TRY_ASSIGN(const auto status, client.status());
  Dataset dataset;
  dataset.path = resolved.front();
  std::string in_mount = status.mount + dataset.path;
  if (is_within(dataset.path, status.mount)) {
    in_mount = dataset.path;
    dataset.path = in_mount.substr(status.mount.size());
    if (dataset.path.empty()) dataset.path = "/";
  }
  TRY_ASSIGN(dataset.image, formats::Image::open(in_mount));
  dataset.folder = dataset.image->files().is_folder() ? dataset.path : folder_of(dataset.path);
  return dataset;
}

Result<NeededBytes> needed_bytes(const Dataset& dataset, const formats::Selection& selection) {
  const formats::ImageInfo& info = dataset.image->info();
  const auto boxes = formats::boxes_of(info, selection);
  if (!boxes) return boxes.error().in(dataset.path);
  TRY_ASSIGN(auto files, formats::needed_files(*dataset.image, *boxes));
  NeededBytes needed;
  needed.selection = formats::selection_text(info, *boxes);
  for (formats::NeededFile& file : files) {
    if (file.ranges.empty()) needed.bytes += file.size_bytes;
    for (const ByteRange& range : file.ranges) needed.bytes += range.size();
    needed.files.push_back({dataset.path_of(file.path), std::move(file.ranges)});
  }
  return needed;
}

Result<std::vector<api::FileRanges>> metadata_files(const Dataset& dataset) {
  std::vector<api::FileRanges> files;
  // Sorted by path.
  for (const formats::FileRange& range : dataset.image->metadata()) {
    TRY_ASSIGN(const auto size, dataset.image->files().size_of(range.path));
    if (!size || range.offset_bytes >= *size) continue;
    const std::string path = dataset.path_of(range.path);
    if (files.empty() || files.back().path != path) files.push_back({path, {}});
    const uint64_t rest = *size - range.offset_bytes;
    files.back().ranges.push_back(
        {range.offset_bytes, range.offset_bytes + std::min(rest, range.size_bytes)});
  }
  return files;
}

Result<void> StoredBytes::add(const formats::FileRange& range) {
  const uint64_t end = range.size_bytes > UINT64_MAX - range.offset_bytes
                           ? UINT64_MAX
                           : range.offset_bytes + range.size_bytes;
  IntervalSet& bytes = waiting_[range.path];
  bytes.add(range.offset_bytes, end);
  if (waiting_.size() < kFilesAtOnce && bytes.parts() < kPartsAtOnce) return {};
  return ask();
}

Result<void> StoredBytes::ask() {
  while (!waiting_.empty()) {
    api::ResidencyRequest request;
    std::vector<std::map<std::string, IntervalSet>::const_iterator> asked;
    size_t parts = 0;
    for (auto it = waiting_.cbegin(); it != waiting_.cend() && parts < kPartsAtOnce; ++it) {
      api::FileRanges file{dataset_.path_of(it->first), {}};
      if (!it->second.contains(0, UINT64_MAX)) {
        for (const auto& part : it->second.intervals())
          file.ranges.push_back({part.begin, part.end});
      }
      parts += file.ranges.size();
      request.files.push_back(std::move(file));
      asked.push_back(it);
    }
    TRY_ASSIGN(const auto answer, client_.residencies(request));
    if (answer.files.empty() || answer.files.size() > asked.size())
      return Error(std::errc::protocol_error, "tierd did not answer about the files it was asked");
    for (size_t i = 0; i < answer.files.size(); ++i) {
      const api::FileResidency& file = answer.files[i];
      waiting_.erase(asked[i]);
      if (file.code == "ENOENT") continue;
      if (!file.code.empty()) return Error(api::error_code(file.code), file.error);
      sums_.bytes += file.bytes;
      sums_.resident += file.resident;
      sums_.dirty += file.dirty;
    }
  }
  return {};
}

Result<StoredBytes::Sums> StoredBytes::finish() {
  TRY(ask());
  return std::exchange(sums_, {});
}

}  // namespace tierhub::tierctl
