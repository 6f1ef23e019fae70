// When the archive is checked for changes: all of it at each start, every `every_s`, and when
// somebody asks; one folder in the background after each listing of it, at most one round of such
// checks a second. A listing never waits for the archive: what a check finds is told to the kernel.
//
// A folder whose ctime has not changed since it was checked is not listed again. The ctime is
// trusted only when the folder was listed once more after it had not changed for two seconds: a
// change within the same tick of the archive's clock would not show (folder times would hide it for
// longer: publishing sets them).
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "catalog/catalog.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "common/result.h"
#include "migrator/publish/publisher.h"
#include "migrator/scan/scanner.h"
#include "storage/archive/archive.h"

namespace tierhub {

class ScanSchedule {
 public:
  struct Options {
    double every_s = 3600;  // 0: neither at the start nor by itself
    bool at_start = true;
    double look_interval_s = 1;
    double rest_s = 2;  // a folder has to rest for so long before its ctime is believed
    // What was changed in the archive less than this ago is looked at again when that time is over.
    double growing_s = 5;
    // Called at the end of a whole scan, on the thread of the scans: returns when programs see what
    // it found. May be empty.
    std::function<void()> wait_until_seen;
  };
  ScanSchedule(const Catalog& catalog, Scanner& scanner, Publisher& publisher, Archive& archive,
               const Options& options);
  ~ScanSchedule() { stop(); }

  void start();
  // Waits for the step under way. What was asked for and not begun is dropped.
  void stop();

  struct Progress {
    bool running = false;
    ScanCounts counts;
    std::string error;  // of the last scan
  };
  // A whole scan, at once; if one runs, that one.
  Progress scan(Scanner::Removals removals);
  // A whole scan that begins from now on: behind the one that runs, if one does.
  void scan_anew();
  Progress progress() const;

  // Somebody lists the folder: it is looked at soon. Any thread; cheap.
  void listed(InodeNumber folder);
  // The file is not what is on record: the folders that it is in are looked at soon.
  void changed(InodeNumber file);

 private:
  struct Seen {
    Timestamp ctime;
    SteadyClock::time_point since;  // when this ctime was first seen
    bool believed = false;          // listed after it had rested
  };
  static constexpr size_t kMaxWaiting = 4096;
  static constexpr size_t kMaxSeen = 1 << 16;

  void run_scans(const std::stop_token& stop);
  void run_looks(const std::stop_token& stop);
  void whole_scan(const std::stop_token& stop, Scanner::Removals removals);
  void look(const std::vector<InodeNumber>& folders);
  bool needs_look(InodeNumber folder);
  void look_again(InodeNumber folder, double after_s);
  void watch_growing();
  void ask_for_scan(Scanner::Removals removals) REQUIRES(mutex_);

  const Catalog& catalog_;
  Scanner& scanner_;
  Publisher& publisher_;
  Archive& archive_;
  const Options options_;

  mutable Mutex mutex_;
  StoppableConditionVariable changed_;
  std::optional<Scanner::Removals> asked_ GUARDED_BY(mutex_);
  bool another_ GUARDED_BY(mutex_) = false;  // when the one that runs has ended
  Progress progress_ GUARDED_BY(mutex_);
  std::unordered_map<InodeNumber, SteadyClock::time_point> waiting_
      GUARDED_BY(mutex_);  // folder -> when it is due
  // Folders to list though their ctime stands.
  std::unordered_set<InodeNumber> stale_ GUARDED_BY(mutex_);

  std::unordered_map<InodeNumber, Seen> seen_;  // the looks' thread only
  std::jthread scans_;
  std::jthread looks_;
};

}  // namespace tierhub
