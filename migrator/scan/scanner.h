// Imports what is in the archive into the namespace: the first import and every later scan are the
// same walk. Reads names and attributes, never a file's content. It only adds, updates or removes
// what is clean here; what changed on both sides is a conflict: counted, logged, parked, and not
// touched.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/guarded.h"
#include "common/result.h"
#include "inodes/inode_table.h"
#include "migrator/base/tree_mutex.h"
#include "storage/archive/archive.h"
#include "storage/scratch/scratch.h"

namespace tierhub {

struct ScanCounts {
  uint64_t folders = 0;
  uint64_t files = 0;
  uint64_t added = 0;
  uint64_t changed = 0;
  uint64_t removed = 0;
  uint64_t conflicts = 0;
};

struct ScanState;

class Scanner {
 public:
  struct Options {
    size_t page = 1000;
    // A scan that would remove more than this many entries and more than this share stops before it
    // removes any.
    uint64_t removal_limit = 1000;
    double removal_share = 0.05;
    // A file that was changed in the archive less than this ago may be growing. 0: none is.
    double growing_s = 5;
    // Files of the same size that were changed on both sides are compared if they are not larger.
    uint64_t compare_bytes = uint64_t{1} << 30;
    // What changed is told to the kernel, and another content to those who hold leases on it.
    std::function<void(InodeNumber)> invalidate_inode;
    std::function<void(InodeNumber, const std::string&)> invalidate_entry;
    std::function<void(InodeNumber)> content_changed;

    void forget_content(InodeNumber inode) const {
      forget_attributes(inode);
      if (content_changed) content_changed(inode);
    }
    void forget_attributes(InodeNumber inode) const {
      if (invalidate_inode) invalidate_inode(inode);
    }
    void forget_entry(InodeNumber parent, const std::string& name) const {
      if (invalidate_entry) invalidate_entry(parent, name);
    }
  };
  Scanner(InodeTable& inodes, const Scratch& scratch, Archive& archive, TreeMutex& tree_mutex,
          Options options);

  // accepted: someone looked, and the archive is complete though much of it is missing.
  enum class Removals { guarded, accepted };
  // Walks the whole archive, on the calling thread. `progress` is called after each page; false
  // stops the scan with errc::operation_canceled. errc::operation_not_permitted: it would have
  // removed too much, and removed nothing.
  Result<ScanCounts> run(const std::function<bool(const ScanCounts&)>& progress,
                         Removals removals = Removals::guarded);

  struct Look {
    ScanCounts counts;
    // It found what only a whole scan can judge: much that is missing, or what may have been moved
    // there from elsewhere. That was left as it is.
    bool wants_whole_scan = false;
  };
  // Looks at these folders alone, and at what is new in them. Any thread. restored: what is new
  // comes from the trash, and cannot be known under another name.
  enum class New { unknown, restored };
  Result<Look> look(const std::vector<InodeNumber>& folders, New is_new = New::unknown);
  // The same for the publisher, which holds the tree mutex during the whole look. `progress` as of
  // run().
  Result<Look> look(const TreeMutex::Held& held, const std::vector<InodeNumber>& folders,
                    const std::function<bool(const ScanCounts&)>& progress);

  // Of this file the archive gave bytes that are not those on record: the next look at a folder
  // that it is in compares all of it, if it was touched. Any thread; cheap.
  void suspect(InodeNumber inode);

  // How long until the file will not have changed for growing_s, by the archive's clock; none if that
  // is so already, or if TierHub published it: that does not grow. Any thread.
  std::optional<SteadyClock::duration> growing_for(InodeNumber inode,
                                                   const ArchiveVersion& version) const;
  // Folders in which scans and looks found new versions of young files since the last call: they
  // are worth another look.
  std::vector<InodeNumber> take_folders_with_growing_files();

 private:
  // Takes the tree mutex for a step; nothing if the caller holds it all along.
  using Hold = std::function<std::optional<TreeMutex::Held>()>;
  ScanState prepare(const std::function<bool(const ScanCounts&)>& progress, const Hold& hold);
  Result<Look> look(const std::vector<InodeNumber>& folders, New is_new,
                    const std::function<bool(const ScanCounts&)>& progress, const Hold& hold);
  void note(const ScanState& scan);
  void read_clock(const Hold& hold);

  InodeTable& inodes_;
  const Scratch& scratch_;
  Archive& archive_;
  TreeMutex& tree_mutex_;
  Options options_;
  std::atomic<int64_t> clock_ahead_ns_{0};  // of the archive's clock
  Guarded<std::set<InodeNumber>> growing_;
  Guarded<std::set<InodeNumber>> suspects_;
  Guarded<std::optional<Timestamp>> last_whole_scan_;  // when the last complete one began
};

}  // namespace tierhub
