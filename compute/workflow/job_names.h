// Names in the jobs folder, and the rule that decides when a dropped file is complete. Pure.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include <sys/stat.h>

#include "common/clock.h"

namespace tierhub::compute {

// "*.yaml" and "*.yml"; not what begins with "." or "~$" or ends in "~", ".tmp" or ".part".
bool is_workflow_file(std::string_view name);
// A folder of incoming/ that may be a user's own: its name does not begin with a dot.
bool is_user_folder(std::string_view name);

// "<stem>-20260102T030405Z-abcd": the file's name without its ending, the time in UTC, four random
// letters. Characters that a shell or a log line would trip over become "_". At most 160 bytes, and
// never begins with "." or "-".
std::string make_run_name(std::string_view file_name, Timestamp now, uint32_t random);

// "count" of "count-20260102T030405Z-abcd".
std::string stem_of_run(std::string_view run);

// "20260102T030405Z-abcd" of it: runs sort by this as they began. Empty if it has none.
std::string_view time_of_run(std::string_view run);

// "nuclei-files-abcd", for a file that is dropped: its run can be found by these letters.
std::string make_job_name(std::string_view wanted, uint32_t random);

// "scan" of "/x/scan.ome.zarr": what stands for {name}.
std::string stem_of(std::string_view path);

// Remembers how the files of one folder looked. A file that was renamed into place is ready; one
// that was written in place, or found without an event, is ready when its size, its time and its
// inode have stood still for kStill.
class ReadyRule {
 public:
  static constexpr std::chrono::milliseconds kStill{2000};

  void renamed_into_place(const std::string& name);
  // `st` is how `name` looks now. True if it may be claimed.
  bool is_ready(const std::string& name, const struct stat& st, SteadyClock::time_point now);
  // Drops what is not one of `names` any more: called after each listing.
  template <class Names>
  void keep_only(const Names& names) {
    std::erase_if(sightings_, [&](const auto& entry) { return !names.contains(entry.first); });
  }
  void forget(const std::string& name) { sightings_.erase(name); }
  // True if one of them may become ready without an event.
  bool watching() const {
    return std::any_of(sightings_.begin(), sightings_.end(),
                       [](const auto& entry) { return !entry.second.ready; });
  }

 private:
  struct Sighting {
    bool ready = false;
    bool renamed = false;
    uint64_t inode = 0;
    int64_t size_bytes = -1;
    Timestamp modified;
    SteadyClock::time_point since;
  };
  std::map<std::string, Sighting> sightings_;
};

}  // namespace tierhub::compute
