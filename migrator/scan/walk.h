// The walk through the archive of one scan, or of one check of a few folders.
//
//   1. list     each folder and compare it with base; new names wait, if they may be something
//               known under another name;
//   2. match    what is missing with what is new, by file handle: a renamed file or folder keeps
//               its inode, its residency and everything that people set on it. Go into renamed
//               folders (1);
//   3. take in  what else is new. Go into new folders (1);
//   4. join     new names of files with several names;
//   5. remove   what is missing, unless it is suspiciously much; then list the folders again where
//               a name has become free for something new.
//
// Each step checks again what it is about to decide, because the publisher works in between.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "migrator/scan/folder.h"

namespace tierhub {

class ScanWalk {
 public:
  // Takes the tree mutex for a step; nothing if the caller holds it for the whole walk.
  using Hold = std::function<std::optional<TreeMutex::Held>()>;
  ScanWalk(ScanState& scan, Hold hold) : scan_(scan), hold_(std::move(hold)) {}

  // All of the archive. errc::operation_not_permitted: too much is missing, and nothing was
  // removed.
  Result<void> whole(Scanner::Removals removals);
  // These folders, and what is new in them. Much that is missing, and what may have been moved here
  // from elsewhere, is left for a whole scan: scan.wants_whole_scan.
  Result<void> look(const std::vector<InodeNumber>& folders);

 private:
  Result<void> go(std::vector<InodeNumber> folders);
  Result<void> list(std::vector<InodeNumber> folders);
  Result<std::vector<InodeNumber>> match_renames();
  Result<bool> follow(const Name& from, const ScanState::Deferred& to);
  Result<bool> rename(const Name& from, const ScanState::Deferred& to);
  Result<bool> still_there(const Name& name, const ArchiveVersion& version) const;
  Result<bool> lies_below(InodeNumber folder, InodeNumber ancestor) const;
  Result<std::vector<InodeNumber>> take_in_deferred();
  Result<void> join_links();
  Result<void> remove_missing(Scanner::Removals removals);
  Result<void> list_again();
  Result<std::optional<std::string>> path_of(const Name& name) const;

  ScanState& scan_;
  const Hold hold_;
};

// Base is right, and the archive is the one that it describes. Under the tree mutex.
Result<void> check_ready(ScanState& scan);

}  // namespace tierhub
