// Small levels of images that have none, built in the background: each of them would decode much more
// than it shows. They lie in the user's own cache, and are equal to what is computed without them.
//
// One thread builds one pyramid at a time, at the lowest priority, and only while somebody looks at the
// image and all of its bytes are on the SSD, which it looks at five times a second: nothing comes from
// the archive for a pyramid.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "common/mutex.h"
#include "common/result.h"
#include "hub/images/pyramid_file.h"
#include "hub/images/tiers.h"
#include "pixels/reader.h"

namespace tierhub::hub {

// What a pyramid is built from. The functions are called by the thread that builds.
struct PyramidSource {
  std::string key;                 // what the image's files are like: the name of the pyramid
  std::string name;                // of the image, for the log
  std::vector<std::string> files;  // all, by their path in the namespace
  pixels::Shrink shrink = pixels::Shrink::mean;
  // Opens the image again, with a cache of its own.
  std::function<Result<std::unique_ptr<pixels::PixelReader>>()> open;
  // False: its files have changed.
  std::function<bool()> is_current;
};

// Any thread.
class Pyramids {
 public:
  struct Options {
    std::string folder;                        // empty: there are none
    uint64_t limit_bytes = uint64_t{8} << 30;  // of all; the oldest are removed
    // An image is worth a pyramid if a tile of its smallest level would decode that much.
    uint64_t least_bytes = uint64_t{16} << 20;
    // So long after the last request for an image its pyramid is no longer built.
    std::chrono::milliseconds left_after{60'000};
    // Until bytes that are in the archive are looked for again.
    std::chrono::milliseconds look_every{2'000};
    // Builds with the lowest priority, after all that a person waits for.
    bool gives_way = true;
  };
  Pyramids(Options options, std::shared_ptr<Tiers> tiers);
  ~Pyramids();
  Pyramids(const Pyramids&) = delete;
  Pyramids& operator=(const Pyramids&) = delete;

  bool are_built() const { return !options_.folder.empty() && options_.limit_bytes > 0; }
  const Options& options() const { return options_; }
  // Null if it is not there.
  std::shared_ptr<const PyramidFile> find(const std::string& key, const PyramidPlan& plan);
  // Somebody looks at the image now: builds it unless that has failed.
  void want(const PyramidSource& source);
  // Changes when a pyramid has been built.
  uint64_t built() const { return built_; }

  struct State {
    enum class Kind { none, waiting, building, failed } kind = Kind::none;
    double done = 0;     // of it, 0 to 1
    std::string reason;  // why it waits or has failed
  };
  State state_of(const std::string& key) const;

 private:
  struct Wanted {
    PyramidSource source;
    SteadyClock::time_point last;        // that somebody asked for the image
    SteadyClock::time_point not_before;  // looked for again
  };

  void work(const std::stop_token& stop);
  // The one that was asked for last; waits for one.
  bool next(const std::stop_token& stop, PyramidSource& source);
  Result<void> build(const std::stop_token& stop, const PyramidSource& source);
  Result<void> add_first_level(const std::stop_token& stop, const PyramidSource& source,
                               const pixels::PixelReader& reader, PyramidWriter& writer);
  Result<void> add_level(const std::stop_token& stop, const PyramidSource& source, uint64_t level,
                         const pixels::PixelReader& reader, PyramidWriter& writer);
  // An error if it is to stop: nobody looks at the image, it has changed, or bytes would have to come
  // from the archive.
  Result<void> check(const std::stop_token& stop, const PyramidSource& source,
                     const PyramidWriter& writer);
  Result<void> check_is_here(const PyramidSource& source);
  SteadyClock::time_point looked_;  // at the files, by the thread
  void report(const std::string& key, State state);
  // Removes the oldest until `more_bytes` have room, and what a crash has left.
  Result<void> make_room(uint64_t more_bytes);

  const Options options_;
  const std::shared_ptr<Tiers> tiers_;
  std::atomic<uint64_t> built_ = 0;
  mutable Mutex mutex_;
  StoppableConditionVariable changed_;
  std::map<std::string, Wanted> wanted_ GUARDED_BY(mutex_);
  std::map<std::string, State> states_ GUARDED_BY(mutex_);
  // Built, and not found missing since: images that were opened before ask for them once more.
  std::set<std::string> done_ GUARDED_BY(mutex_);
  std::jthread thread_ GUARDED_BY(mutex_);
};

}  // namespace tierhub::hub
