#include "hub/images/store.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <set>
#include <string_view>

#include <fcntl.h>

#include <fmt/format.h>

#include "common/hash.h"
#include "common/posix.h"
#include "formats/ome_zarr.h"
#include "formats/series_names.h"
#include "hub/images/warm_tree.h"

namespace tierhub::hub {
namespace {

using formats::Image;
using formats::Json;

// Of one image: more files than these are trusted to change together with them.
constexpr size_t kMostWatched = 64;

uint64_t next_number() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

// True if its library runs in a process of its own.
bool has_process(const formats::ImageInfo& info) {
  std::string_view format = info.format;
  constexpr std::string_view kSeries = " series";
  if (format.ends_with(kSeries)) format.remove_suffix(kSeries.size());
  constexpr std::array<std::string_view, 6> kWithout = {"OME-Zarr", "TIFF", "OME-TIFF",
                                                        "MRC",      "PNG",  "JPEG"};
  return std::find(kWithout.begin(), kWithout.end(), format) == kWithout.end();
}

// The names of numbered files in brackets, as formats::find_datasets gives them.
bool is_pattern(const std::string& path) { return name_of(path).find('<') != std::string::npos; }

Result<std::unique_ptr<Image>> open_pattern(const std::string& folder, const std::string& pattern) {
  TRY_ASSIGN(const auto tree, formats::PosixTree::open(folder));
  TRY_ASSIGN(const auto names, tree->list(""));
  for (const formats::SeriesFiles& series : formats::find_series(names).series) {
    if (series.pattern == pattern)
      return Image::open_series_of(folder + "/" + series.names.front());
  }
  return Error(std::errc::no_such_file_or_directory,
               fmt::format("there are no files {} in {}", pattern, folder));
}

Result<std::unique_ptr<Image>> open_path(const Root& root, const std::string& path,
                                         std::shared_ptr<Tiers> tiers) {
  TRY_ASSIGN(const auto tree, formats::PosixTree::open(root.absolute(path)));
  const std::string folder = tree->is_folder() ? path : folder_of(path);
  return Image::open(std::make_shared<const WarmTree>(tree, folder, std::move(tiers)));
}

struct Place {
  std::string path;    // in the namespace
  std::string folder;  // of its files
};

Result<Place> place_of(const Root& root, const std::string& path) {
  const auto found = root.resolve(path);
  if (found) return Place{*found, {}};
  if (!is_pattern(path)) return found.error();
  TRY_ASSIGN(const std::string folder, root.resolve(folder_of(path)));
  return Place{path_in(folder, name_of(path)), folder};
}

// What makes the version of an image: paths relative to its folder; "" is the folder.
std::vector<std::string> watched_of(const Image& image) {
  std::set<std::string> watched;
  const bool is_folder = image.files().is_folder();
  if (is_folder) watched.insert("");
  for (const formats::Level& level : image.info().levels) {
    if (is_folder && !level.path.empty()) watched.insert(level.path);
  }
  for (const formats::FileRange& range : image.metadata()) {
    if (watched.size() < kMostWatched) watched.insert(range.path);
  }
  for (const std::string& member : image.members()) {
    if (watched.size() < kMostWatched) watched.insert(member);
  }
  return {watched.begin(), watched.end()};
}

struct Looked {
  std::string version;
  Timestamp changed;  // the newest change of all
};

Looked look_at(const std::string& folder, const std::vector<std::string>& watched) {
  Looked looked;
  std::string text;
  for (const std::string& name : watched) {
    const auto st = posix::stat_at(AT_FDCWD, name.empty() ? folder : folder + "/" + name);
    if (!st) {
      text += name + " -\n";
      continue;
    }
    const Timestamp changed = posix::change_time(*st);
    looked.changed = std::max(looked.changed, changed);
    text += fmt::format("{} {} {} {} {} {}\n", name, st->st_dev, st->st_ino, st->st_size,
                        posix::modification_time(*st).ns, changed.ns);
  }
  looked.version = checksum(std::as_bytes(std::span(text))).hex().substr(0, 16);
  return looked;
}

// The names of the label images in an OME-Zarr image.
std::vector<std::string> labels_in(const formats::FileTree& files) {
  const auto group = formats::read_zarr_group(files, "labels");
  std::vector<std::string> names;
  if (!group || !*group) return names;
  const Json* list = formats::find_member((*group)->ome, "labels");
  if (list == nullptr || !list->is_array()) return names;
  for (const Json& name : *list) {
    if (name.is_string() && join_names({name.get<std::string>()}))
      names.push_back(name.get<std::string>());
  }
  return names;
}

void read_labels(const Image& image, OpenImage& open) {
  if (open.info.format != "OME-Zarr") return;
  open.labels = labels_in(image.files());
  if (const auto group = formats::read_zarr_group(image.files(), ""); group && *group) {
    if (const Json* label = formats::find_member((*group)->ome, "image-label"))
      open.image_label = *label;
  }
  open.is_labels = open.image_label.is_object() || name_of(folder_of(open.path)) == "labels";
}

}  // namespace

ImageStore::ImageStore(const Root& root, const Options& options, std::shared_ptr<Tiers> tiers)
    : root_(root),
      options_(options),
      tiers_(std::move(tiers)),
      chunks_(std::make_shared<pixels::ChunkCache>(options.chunk_cache_bytes)) {}

std::shared_ptr<ImageStore::Slot> ImageStore::slot_of(const std::string& path) {
  const MutexLock lock(mutex_);
  const auto known = by_path_.find(path);
  if (known != by_path_.end()) {
    recent_.splice(recent_.begin(), recent_, known->second);
    return known->second->second;
  }
  recent_.emplace_front(path, std::make_shared<Slot>());
  by_path_[path] = recent_.begin();
  if (recent_.size() > options_.images) {
    by_path_.erase(recent_.back().first);
    recent_.pop_back();
  }
  return recent_.front().second;
}

void ImageStore::note_process(const std::shared_ptr<Slot>& slot) {
  const MutexLock lock(mutex_);
  slot->has_process = true;
  size_t processes = 0;
  for (auto it = recent_.begin(); it != recent_.end();) {
    const auto one = it++;
    if (!one->second->has_process || ++processes <= options_.processes) continue;
    by_path_.erase(one->first);
    recent_.erase(one);
  }
}

void ImageStore::forget(const std::shared_ptr<Slot>& slot) {
  const MutexLock lock(mutex_);
  const auto found = std::find_if(recent_.begin(), recent_.end(),
                                  [&](const auto& one) { return one.second == slot; });
  if (found == recent_.end()) return;
  by_path_.erase(found->first);
  recent_.erase(found);
}

Result<std::shared_ptr<const OpenImage>> ImageStore::open(const std::string& path) {
  const std::shared_ptr<Slot> slot = slot_of(path);
  std::shared_ptr<const OpenImage> image;
  bool opened = false;
  {
    const MutexLock lock(slot->mutex);
    const auto now = SteadyClock::now();
    if (slot->image && now - slot->looked >= options_.trust) {
      const std::string folder = root_.absolute(slot->image->folder);
      if (look_at(folder, slot->watched).version != slot->image->version) slot->image.reset();
      slot->looked = now;
    }
    if (!slot->image) {
      if (const auto done = open_in(*slot, path); !done) {
        // Paths that are asked for by mistake do not push images out.
        forget(slot);
        return done.error();
      }
      opened = true;
    }
    image = slot->image;
  }
  if (opened && image->has_process) note_process(slot);
  return image;
}

Result<void> ImageStore::open_in(Slot& slot, const std::string& path) {
  // What changed a moment ago may have changed while it was opened.
  constexpr int64_t kMoment_ns = 20'000'000;
  constexpr int kAttempts = 3;
  TRY_ASSIGN(const Place place, place_of(root_, path));
  for (int attempt = 1;; ++attempt) {
    const Timestamp begin = Timestamp::now();
    TRY_ASSIGN(auto image, place.folder.empty()
                               ? open_path(root_, place.path, tiers_)
                               : open_pattern(root_.absolute(place.folder), name_of(place.path)));
    auto open = std::make_shared<OpenImage>();
    open->path = place.path;
    open->folder = !place.folder.empty()        ? place.folder
                   : image->files().is_folder() ? place.path
                                                : folder_of(place.path);
    slot.watched = watched_of(*image);
    const Looked looked = look_at(root_.absolute(open->folder), slot.watched);
    if (attempt < kAttempts && looked.changed.ns_since(begin) > -kMoment_ns) continue;
    open->version = looked.version;
    open->info = image->info();
    open->number = next_number();
    open->has_process = has_process(open->info);
    read_labels(*image, *open);
    if (!open->info.not_decodable) {
      pixels::PixelReader::Options options;
      options.cache = chunks_;
      if (open->is_labels) options.shrink = pixels::Shrink::nearest;
      TRY_ASSIGN(open->reader, pixels::PixelReader::open(std::move(image), options));
    }
    slot.image = std::move(open);
    slot.looked = SteadyClock::now();
    return {};
  }
}

}  // namespace tierhub::hub
