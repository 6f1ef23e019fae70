// Makes the archive equal to the namespace: keys, rounds, base. The protocol is in
// docs/mechanisms/publishing.md.
//
// One thread decides every change of the archive's tree; lanes carry out the staging. What turns
// out to belong to somebody else is never replaced: the publisher has the scanner check that folder,
// which keeps both, and continues.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "inodes/inode_table.h"
#include "migrator/base/tree_mutex.h"
#include "migrator/publish/trash.h"
#include "migrator/scan/scanner.h"
#include "storage/archive/archive.h"
#include "storage/scratch/scratch.h"

namespace tierhub {

class Publisher {
 public:
  struct Options {
    double settle_s = 5;           // a changed file rests this long before it is published
    double max_dirty_age_s = 300;  // a file that never rests that long is published all the same
    double tick_s = 1;             // how often the publisher looks
    size_t wave_keys = 4096;       // keys acted on together
    // Larger files are copied beside the rounds, so that nothing else waits for them.
    uint64_t long_copy_bytes = uint64_t{1} << 30;
    size_t long_copies = 2;       // at a time
    size_t lanes = 4;             // files staged in parallel
    double retry_parked_s = 300;  // parked keys are tried again
    // Somebody moved something in the archive that only a whole scan can tell. Not called again
    // before `retry_parked_s` is over; must not block.
    std::function<void()> wants_whole_scan;
    // Scratch is short of room: quiet files are published at once.
    std::function<bool()> room_is_short = [] { return false; };
    // What is published can be evicted after its wave: so it takes about so long, and a part of
    // scratch.
    double wave_s = 10;
    std::function<uint64_t()> most_wave_bytes = [] { return UINT64_MAX; };
    // Where what is removed rests; none: it is deleted. Borrowed.
    Trash* trash = nullptr;
    // In tests: no thread; run_round() is called.
    enum class Threading { own_thread, none } threading = Threading::own_thread;
  };

  // What still differs below some paths.
  struct Pending {
    uint64_t keys = 0;
    uint64_t bytes = 0;
    // Does not go on by itself. What settles, is copied or was demanded and not yet looked at is not
    // here.
    enum class Cause {
      parked,
      writer,        // it is open for writing
      other_change,  // it waits for one that does not go on, or for its file system
    };
    struct Waiting {
      std::string path;
      Cause cause{};
      std::string reason;
    };
    std::vector<Waiting> waiting;  // the first 100
  };

  // The scanner has the same tree mutex.
  Publisher(InodeTable& inodes, const Scratch& scratch, Archive& archive, TreeMutex& tree_mutex,
            Scanner& scanner, const Options& options);
  ~Publisher();

  // Before anything else uses the archive: settles what an interrupted round left behind.
  Result<void> recover();
  void start();
  // Waits for the acts and copies under way, which end at once if the archive fails their calls.
  void stop();

  // One pass over the journal. `demanded`: without waiting for `settle`. Returns how many keys were
  // dropped or acted on. Called by the thread, and by tests.
  enum class Urgency { settled, demanded };
  Result<uint64_t> run_round(Urgency urgency);

  // Publishes now what lies below these namespace paths ("/" is everything); returns at once.
  void demand(const std::vector<std::string>& paths);
  // Looks at every key.
  Result<Pending> pending(const std::vector<std::string>& paths);
  // Waits, at most so long, until a demand for any of these paths is over: what is left of them
  // does not go on by itself. Returns whether it is. Any thread.
  bool wait_for_demand(const std::vector<std::string>& paths, std::chrono::milliseconds patience);
  // The next round tries parked keys again, as after `retry_parked_s`. Any thread.
  void retry_parked();
  // A file that was written is closed: if someone waits for it, it is looked at, at once. Any
  // thread; cheap.
  void something_closed();
  // The moment by which a look at all keys, begun while room was short, found nothing that could be
  // published, and nothing was since; time_point::max() while the archive takes nothing; none:
  // there is something, or may be. Any thread; cheap.
  std::optional<std::chrono::steady_clock::time_point> nothing_to_publish_since() const;
  // Keys were added or may go on: the thread looks at once. Any thread; cheap.
  void wake();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tierhub
