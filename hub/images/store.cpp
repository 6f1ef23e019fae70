#include "hub/images/store.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <set>
#include <string_view>

#include <fcntl.h>
#include <sys/stat.h>

#include <fmt/format.h>

#include "common/hash.h"
#include "common/posix.h"
#include "formats/ome_zarr.h"
#include "formats/series_names.h"
#include "hub/images/planes.h"
#include "hub/images/warm_tree.h"

namespace tierhub::hub {
namespace {

using formats::Image;
using formats::Json;
using formats::Region;

// Of one image: more files than these are trusted to change together with them.
constexpr size_t kMostWatched = 20'000;
// Looking at files takes at most one part in so many of the time.
constexpr int kLookShare = 20;
// An image whose files are changing is not opened again more often than this.
constexpr std::chrono::seconds kUnsettledTrust{1};

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

// Its files may change while it is open.
Result<std::shared_ptr<const formats::FileTree>> open_tree(const Root& root,
                                                           const std::string& path,
                                                           std::shared_ptr<Tiers> tiers) {
  TRY_ASSIGN(const auto tree, root.open_tree(path, formats::PosixTree::Descriptors::checked));
  const std::string folder = tree->is_folder() ? path : folder_of(path);
  return std::make_shared<const WarmTree>(tree, folder, std::move(tiers));
}

Result<std::unique_ptr<Image>> open_pattern(const Root& root, const std::string& folder,
                                            const std::string& pattern,
                                            std::shared_ptr<Tiers> tiers) {
  TRY_ASSIGN(const auto tree, open_tree(root, folder, std::move(tiers)));
  TRY_ASSIGN(const auto names, tree->list(""));
  for (const formats::SeriesFiles& series : formats::find_series(names).series) {
    if (series.pattern == pattern) return Image::open_series_of(tree, series.names.front());
  }
  return Error(std::errc::no_such_file_or_directory,
               fmt::format("there are no files {} in {}", pattern, folder));
}

Result<std::unique_ptr<Image>> open_path(const Root& root, const std::string& path,
                                         std::shared_ptr<Tiers> tiers) {
  TRY_ASSIGN(auto tree, open_tree(root, path, std::move(tiers)));
  return Image::open(std::move(tree));
}

}  // namespace

struct ImageStore::Place {
  std::string path;    // in the namespace, without links
  std::string folder;  // of the files of a series that is named by its pattern; else empty
};

Result<ImageStore::Place> ImageStore::place_of(const std::string& path) const {
  const auto found = root_.resolve(path);
  if (found) return Place{*found, {}};
  if (!is_pattern(path)) return found.error();
  TRY_ASSIGN(const std::string folder, root_.resolve(folder_of(path)));
  return Place{path_in(folder, name_of(path)), folder};
}

namespace {

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
  std::string key;       // the same for a pyramid: longer, and it outlives mounts
  Timestamp changed;     // the newest change of all
  bool is_open = false;  // for writing
  SteadyClock::duration took{};
};

// `folder` is in the namespace.
Result<Looked> look_at(const Root& root, Tiers& tiers, const std::string& folder,
                       const std::vector<std::string>& watched) {
  const auto begin = SteadyClock::now();
  const std::string absolute = root.absolute(folder);
  Looked looked;
  std::string text, key;
  std::vector<std::string> files;
  for (const std::string& name : watched) {
    const auto st = posix::stat_at(AT_FDCWD, name.empty() ? absolute : absolute + "/" + name);
    if (!st) {
      text += name + " -\n";
      continue;
    }
    if (S_ISREG(st->st_mode)) files.push_back(path_in(folder, name));
    const Timestamp changed = posix::change_time(*st);
    looked.changed = std::max(looked.changed, changed);
    const std::string what = fmt::format("{} {} {} {} {}\n", name, st->st_ino, st->st_size,
                                         posix::modification_time(*st).ns, changed.ns);
    text += fmt::format("{} {}", st->st_dev, what);
    // A mount has another device each time.
    key += tiers.is_mount() ? what : fmt::format("{} {}", st->st_dev, what);
  }
  TRY_ASSIGN(const auto writes, tiers.writes_of(files));
  for (const FileWrites& file : writes) {
    text += fmt::format("{} {}\n", file.generation, file.is_open);
    key += fmt::format("{}\n", file.generation);
    looked.is_open = looked.is_open || file.is_open;
  }
  looked.version = checksum(std::as_bytes(std::span(text))).hex().substr(0, 16);
  key += absolute;
  looked.key = checksum(std::as_bytes(std::span(key))).hex();
  looked.took = SteadyClock::now() - begin;
  return looked;
}

SteadyClock::time_point trusted_after(const Looked& looked, const OpenImage& image) {
  const auto long_enough = looked.took * kLookShare;
  return SteadyClock::now() + (image.is_settled
                                   ? long_enough
                                   : std::max<SteadyClock::duration>(long_enough, kUnsettledTrust));
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
      chunks_(std::make_shared<pixels::ChunkCache>(options.chunk_cache_bytes)),
      pyramids_(options.pyramids, tiers_) {}

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
    if (slot->image && SteadyClock::now() >= slot->trusted_until) look_again(*slot);
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

void ImageStore::look_again(Slot& slot) {
  const auto looked = look_at(root_, *tiers_, slot.image->folder, slot.watched);
  // Without tierd the image is still there.
  if (!looked) return;
  const OpenImage& image = *slot.image;
  const bool other_pyramid =
      image.pyramid ? image.pyramid->is_damaged()
                    : !image.pyramid_source.key.empty() && slot.pyramids_built != pyramids_.built();
  if (image.is_settled && looked->version == slot.looked_version && !other_pyramid) {
    slot.trusted_until = trusted_after(*looked, *slot.image);
  } else {
    slot.image.reset();
  }
}

// A chunk of an OME-Zarr may change at any time: its small levels are always computed.
void ImageStore::find_pyramid(OpenImage& image, const Place& place, const std::string& key,
                              const std::vector<std::string>& watched) {
  const size_t stored = image.info.levels.size();
  if (!pyramids_.are_built() || image.has_chunk_files || image.levels().size() == stored) return;
  const uint64_t smallest = image.levels().size() - 1;
  const Region top = region_of(image, {.level = smallest});
  const bool may_be_worth_it = source_of(image, smallest) != LevelSource::computed ||
                               decoded_bytes(image, top) >= pyramids_.options().least_bytes;
  if (!may_be_worth_it || !image.is_settled) return;
  const bool has_samples = source_of(image, smallest) != LevelSource::computed;
  image.pyramid = pyramids_.find(key, {image.levels(), stored, image.info.type});
  // These levels have other voxels now.
  if (image.pyramid && has_samples) image.version += "p";
  PyramidSource& source = image.pyramid_source;
  source.key = key;
  source.name = image.path;
  for (const std::string& name : watched)
    if (!name.empty()) source.files.push_back(path_in(image.folder, name));
  if (image.is_labels) source.shrink = pixels::Shrink::nearest;
  // The builder's functions outlive the image, but not the store.
  source.open = [this, place, shrink = source.shrink]() { return open_reader(place, shrink); };
  source.is_current = [this, folder = image.folder, watched, version = image.version]() {
    const auto looked = look_at(root_, *tiers_, folder, watched);
    return looked && version.starts_with(looked->version) && !looked->is_open;
  };
}

Result<std::unique_ptr<pixels::PixelReader>> ImageStore::open_reader(const Place& place,
                                                                     pixels::Shrink shrink) {
  TRY_ASSIGN(auto image, open_image(place));
  pixels::PixelReader::Options options;
  options.shrink = shrink;
  return pixels::PixelReader::open(std::move(image), options);
}

void ImageStore::note_view(const OpenImage& image) {
  if (!image.pyramid && !image.pyramid_source.key.empty()) pyramids_.want(image.pyramid_source);
}

// What was resolved once: resolving it again may lead to another image.
Result<std::unique_ptr<Image>> ImageStore::open_image(const Place& place) {
  return place.folder.empty() ? open_path(root_, place.path, tiers_)
                              : open_pattern(root_, place.folder, name_of(place.path), tiers_);
}

Result<void> ImageStore::open_in(Slot& slot, const std::string& path) {
  // What changed a moment ago may have changed while it was opened.
  constexpr int64_t kMoment_ns = 20'000'000;
  constexpr int kAttempts = 3;
  TRY_ASSIGN(const Place place, place_of(path));
  for (int attempt = 1;; ++attempt) {
    const Timestamp begin = Timestamp::now();
    TRY_ASSIGN(auto image, open_image(place));
    auto open = std::make_shared<OpenImage>();
    open->path = place.path;
    open->folder = !place.folder.empty()        ? place.folder
                   : image->files().is_folder() ? place.path
                                                : folder_of(place.path);
    slot.watched = watched_of(*image);
    TRY_ASSIGN(const Looked looked, look_at(root_, *tiers_, open->folder, slot.watched));
    open->is_settled = looked.changed.ns_since(begin) <= -kMoment_ns && !looked.is_open;
    if (attempt < kAttempts && !open->is_settled && !looked.is_open) continue;
    open->version = looked.version;
    slot.looked_version = looked.version;
    slot.pyramids_built = pyramids_.built();
    open->info = image->info();
    open->number = next_number();
    open->has_process = has_process(open->info);
    open->has_chunk_files = open->info.format == "OME-Zarr";
    read_labels(*image, *open);
    if (!open->info.not_decodable) {
      pixels::PixelReader::Options options;
      options.cache = chunks_;
      options.follows_changes = open->has_chunk_files;
      if (open->is_labels) options.shrink = pixels::Shrink::nearest;
      TRY_ASSIGN(open->reader, pixels::PixelReader::open(std::move(image), options));
      find_pyramid(*open, place, looked.key, slot.watched);
    }
    slot.trusted_until = trusted_after(looked, *open);
    slot.image = std::move(open);
    return {};
  }
}

}  // namespace tierhub::hub
