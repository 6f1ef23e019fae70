// One folder of a scan: compares the archive's listing with base, which records what TierHub left
// there.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "common/result.h"
#include "migrator/scan/scanner.h"
#include "storage/archive/file_system_id.h"

namespace tierhub {

// What the folders of one scan share.
struct ScanState {
  InodeTable& inodes;
  Catalog& catalog;
  const Scratch& scratch;
  Archive& archive;
  const Scanner::Options& options;
  const std::function<bool(const ScanCounts&)> progress;
  // Files of which the archive gave bytes that are not those on record.
  Guarded<std::set<InodeNumber>>& suspects;

  // Whole: into every folder; else only into those that are new.
  enum class Depth { whole, new_only } depth = Depth::whole;
  // What is new waits until it is clear that nothing known was renamed to it, while not too many
  // wait.
  bool defers = false;
  struct Deferred {
    InodeNumber folder;
    ArchiveChild child;
  };
  std::vector<Deferred> deferred = {};
  static constexpr size_t kMaxDeferred = 20'000;
  // A look at some folders found what only a whole scan can judge.
  bool wants_whole_scan = false;
  // What was made after this cannot be known under another name. None: nothing is known.
  std::optional<Timestamp> last_whole_scan = {};
  bool surely_new(const ArchiveChild& child) const {
    return depth == Depth::whole || !last_whole_scan ||
           child.version.attributes.btime > *last_whole_scan;
  }

  Archive::XattrSupport xattr_support = {};

  // By the archive's clock, what was changed after this may be growing. None: nothing is.
  std::optional<Timestamp> growing_since = {};
  std::set<InodeNumber> growing = {};  // folders in which a young file has a new version

  ScanCounts counts = {};
  uint64_t entries = 0;  // that stand in the archive
  // Files with several names: which inode each is, and new names that wait until all folders were
  // seen.
  std::unordered_map<std::string, InodeNumber> linked = {};  // by identity
  std::vector<Name> new_links = {};
  // Names in base that a complete listing did not show, or showed as another kind of thing.
  std::vector<Name> missing = {};
  // Folders to list again when what is missing is gone: something new has one of its names.
  std::set<InodeNumber> again = {};

  // Someone looked, and nested file systems that are not there are gone for good.
  bool gives_up_file_systems = false;
  // In which an act of ours was interrupted that is not settled: nothing of them is judged.
  std::set<FileSystemId> unsettled = {};
};

class FolderScan {
 public:
  FolderScan(ScanState& scan, InodeNumber folder, std::string path)
      : scan_(scan), folder_(folder), path_(std::move(path)) {}

  // Under the tree mutex. A listing that fails says nothing about what is missing. Returns the
  // folders to go into.
  Result<std::vector<InodeNumber>> run();
  // Imports these, which are new here. As above.
  Result<std::vector<InodeNumber>> take_in(std::vector<ArchiveChild> children);
  // Compares one child of the folder, which base knows, with what is on record.
  Result<void> refresh(const ArchiveChild& child, const BaseRecord& known) {
    return compare_known(child, known);
  }

 private:
  Result<void> check_file_system(const FileSystemId& found);
  enum class Standing { here, replaced, offline };
  Result<Standing> standing_of(const ArchiveChild& child, InodeNumber folder) const;
  Result<void> compare(ArchiveChild child);
  void note_growing(const ArchiveChild& child);
  Result<void> compare_known(const ArchiveChild& child, const BaseRecord& known);
  enum class Content { as_on_record, other, not_compared };
  Result<Content> judge_touched(const ArchiveChild& child, InodeNumber inode,
                                const ArchiveVersion& on_record);
  Result<bool> is_at_stake(const ArchiveChild& child, InodeNumber inode);
  Result<void> take_changed_file(const ArchiveChild& child, InodeNumber inode,
                                 const ArchiveVersion& on_record);
  Result<void> take_attributes(const ArchiveChild& child, InodeNumber inode,
                               const ArchiveVersion& on_record);
  enum class Ours { as_on_record, settling, changed, in_use };
  Result<Ours> take_if_unused(const ArchiveChild& child, InodeNumber inode,
                              const ArchiveVersion& on_record);
  Result<void> drop_for(const ArchiveChild& child, InodeState& state,
                        const ArchiveVersion& on_record);
  Result<bool> returns(const ArchiveChild& child, InodeNumber inode);
  Result<void> resolve(std::vector<ArchiveChild>& children);
  Result<void> import_pending();
  Result<bool> import_one(Batch& batch, const ArchiveChild& child);

  ScanState& scan_;
  const InodeNumber folder_;
  const std::string path_;
  FileSystemId file_system_;  // that the folder is in, on record
  std::unordered_map<std::string, BaseRecord>
      known_;                          // base's children; what was listed is taken out
  std::vector<ArchiveChild> pending_;  // new ones
  std::vector<InodeNumber> subfolders_;
  bool takes_in_ = false;  // nothing is deferred
};

// A further name for a file that base knows by another one, or the first of a file with several
// names. Under the tree mutex.
Result<void> import_link(ScanState& scan, const Name& name);
// A folder that was removed here, and holds something new in the archive, returns, with the folders
// that it lies in. False: its name has been given to something else. Under the tree mutex, without
// inode locks.
Result<bool> bring_back_folder(ScanState& scan, InodeNumber folder);
// The archive's own attributes of its root go to the root of the namespace.
Result<void> import_root(ScanState& scan);

// Gives the inode the extended attributes that the archive has of it, in `batch`. What the archive
// may never have taken stays: that it is missing there says nothing.
Result<void> take_xattrs(const ScanState& scan, Batch& batch, InodeNumber inode, FileKind kind,
                         const Xattrs& theirs);
// All extended attributes of a file that takes the place of `inode`, by the same rule.
Result<Xattrs> successors_xattrs(const ScanState& scan, InodeNumber inode, FileKind kind,
                                 const Xattrs& theirs);
InodeRecord imported_record(const ArchiveChild& child);
// Owner and mode that `theirs` has as on record stay as they are here, for the archive may show
// others than it was given (root_squash); those that others changed there are theirs.
void keep_owner_and_mode(Attributes& theirs, const Attributes& ours, const Attributes& on_record);

}  // namespace tierhub
