// The images that one person has open.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/mutex.h"
#include "common/result.h"
#include "formats/image.h"
#include "formats/json.h"
#include "hub/images/pyramids.h"
#include "hub/images/root.h"
#include "hub/images/tiers.h"
#include "pixels/reader.h"

namespace tierhub::hub {

// An image at one version. Immutable but for what its reader has decoded; any thread.
struct OpenImage {
  std::string path;    // in the namespace, without links
  std::string folder;  // in the namespace: the paths of its files are relative to it
  // Text that changes when its files do. Made of device, inode, size, mtime and ctime of its files, and
  // of what tierd knows of writes; of an OME-Zarr only of its metadata and the folders of its levels.
  std::string version;
  // False: a file changed a moment ago, or is open for writing: what is read now may be different in a
  // moment under the same version.
  bool is_settled = true;
  // An OME-Zarr: its chunks may change under the same version, and content_of() (planes.h) says so.
  bool has_chunk_files = false;
  // Null if the pixels cannot be decoded; `info` says why.
  std::shared_ptr<const pixels::PixelReader> reader;
  formats::ImageInfo info;
  bool is_labels = false;           // an OME-Zarr label image: its voxels are names, not brightness
  formats::Json image_label;        // what the metadata of a label image says of it; else null
  std::vector<std::string> labels;  // the label images in it: its folders labels/NAME
  uint64_t number = 0;              // its own, for caches
  // Its small levels, if its source has none and they have been built. See pyramids.h.
  std::shared_ptr<const PyramidFile> pyramid;
  // What a pyramid is built from; the key is empty if the image needs none.
  PyramidSource pyramid_source;
  // A library reads it in a process of its own, which takes a failed read for damage.
  bool has_process = false;

  std::string name() const { return name_of(path); }
  // Those that the reader has; of an image that cannot be decoded, those that are stored.
  const std::vector<formats::Level>& levels() const {
    return reader ? reader->levels() : info.levels;
  }
};

// Any thread.
class ImageStore {
 public:
  struct Options {
    uint64_t chunk_cache_bytes = uint64_t{256} << 20;  // of all images
    // Least recently used images are closed.
    size_t images = 64;
    // HDF5 files and whole slides: each has a process.
    size_t processes = 4;
    Pyramids::Options pyramids = {};
  };
  ImageStore(const Root& root, const Options& options,
             std::shared_ptr<Tiers> tiers = make_single_tier());

  // The image at a path of the namespace, as formats::Image::open opens it; also the series that a
  // pattern names ("/plate/a_t<001-100>.tif"). Opened again when its files have changed. Threads
  // that want an image that is being opened wait for it. Reads metadata, from the archive if it
  // must.
  Result<std::shared_ptr<const OpenImage>> open(const std::string& path);
  // Somebody looks at the image: its pyramid is built, if it needs one.
  void note_view(const OpenImage& image);
  const Pyramids& pyramids() const { return pyramids_; }

 private:
  struct Slot {
    Mutex mutex;  // held while the image is opened
    std::shared_ptr<const OpenImage> image GUARDED_BY(mutex);
    std::vector<std::string> watched GUARDED_BY(mutex);  // whose state makes the version
    // Until then the files are not looked at again.
    SteadyClock::time_point trusted_until GUARDED_BY(mutex);
    std::string looked_version GUARDED_BY(mutex);   // that of the files, at the last look
    uint64_t pyramids_built GUARDED_BY(mutex) = 0;  // when the image was opened
    bool has_process = false;                       // guarded by the store's mutex
  };
  using Slots = std::list<std::pair<std::string, std::shared_ptr<Slot>>>;

  std::shared_ptr<Slot> slot_of(const std::string& path);
  // Forgets an image whose files have changed.
  void look_again(Slot& slot) REQUIRES(slot.mutex);
  struct Place;  // where an image is, without links
  Result<Place> place_of(const std::string& path) const;
  Result<std::unique_ptr<formats::Image>> open_image(const Place& place);
  Result<std::unique_ptr<pixels::PixelReader>> open_reader(const Place& place,
                                                           pixels::Shrink shrink);
  void find_pyramid(OpenImage& image, const Place& place, const std::string& key,
                    const std::vector<std::string>& watched);
  Result<void> open_in(Slot& slot, const std::string& path) REQUIRES(slot.mutex);
  void note_process(const std::shared_ptr<Slot>& slot);
  void forget(const std::shared_ptr<Slot>& slot);

  const Root& root_;
  const Options options_;
  const std::shared_ptr<Tiers> tiers_;
  const std::shared_ptr<pixels::ChunkCache> chunks_;
  Pyramids pyramids_;
  Mutex mutex_;
  Slots recent_ GUARDED_BY(mutex_);
  std::map<std::string, Slots::iterator> by_path_ GUARDED_BY(mutex_);
};

}  // namespace tierhub::hub
