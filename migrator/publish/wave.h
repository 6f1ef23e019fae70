// One wave of the publisher: a set of plans that do not touch each other, carried out together.
//
//   1. stage     in parallel lanes: take a snapshot under the inode's lock, make its content
//                complete in staging;
//   2. sync      scratch, if small objects were staged, and the archive: what is staged, and what
//                it was staged from, is on its device. If many small objects have yet to be
//                harvested, the sync of scratch begins before step 1 and runs alongside it;
//   3. fence     drop what changed since its snapshot, harvest what was staged before it was
//                harvested; write the intents and sync the catalog: from here on recovery knows;
//   4. act       in lanes: one rename each, which checks what it displaces; what users removed goes
//                on to the trash;
//   5. sync      the folders, or the archive if attributes were set;
//   6. commit    one batch per plan, under the locks of its inodes: base, version, content; intents
//                and keys are erased;
//   7. discard   what was displaced.
//
// Steps 1 and 2 are in stage.h, 4 in act.h; 6 commits by commit.h.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/result.h"
#include "migrator/publish/action.h"
#include "migrator/publish/long_copies.h"
#include "migrator/publish/stage.h"

namespace tierhub {

class Wave {
 public:
  struct Options {
    Staging::Options staging;
    size_t max_actions = 1024;
  };
  struct Outcome {
    uint64_t done = 0;  // plans that were carried out
    struct Ended {
      JournalKey key;
      std::optional<NotReady> not_ready;
      std::optional<Error> failure;
      std::vector<InodeNumber> folders;  // in which the plan acted
    };
    std::vector<Ended> unfinished;
    // The archive as a whole does not work.
    std::optional<Error> archive_failure;
    // The same of file systems nested in it: the others go on.
    std::map<FileSystemId, Error> failed_file_systems;
    std::set<FileSystemId> working_file_systems;
    // Nobody knows whether some acts were done: recover before anything else is planned.
    bool needs_recovery = false;
  };

  Wave(const PublishContext& context, LongCopies& long_copies, const Options& options)
      : context_(context), long_copies_(long_copies), options_(options) {}

  // Takes the plan in if it touches nothing that the plans taken so far touch.
  bool admit(Plan& plan, const SettleRule& settle);
  bool empty() const { return actions_.empty(); }
  // A plan taken so far places, changes, moves or removes the inode.
  bool changes(InodeNumber inode) const { return changed_.contains(inode); }

  // Once, under the tree mutex. An error is the catalog's: nothing can go on.
  Result<Outcome> run(const std::atomic<bool>& stopping);

 private:
  Result<void> name_leaves();
  Result<void> fence(ScratchSync synced);
  Result<void> fence_one(Action& action, ScratchSync synced) const;
  Result<void> write_intents();
  void sync_acts();
  void fail_acts(const FileSystemId& file_system, const Error& error);
  Result<void> commit_all();
  Result<void> commit_group(const std::vector<Action*>& group);
  Result<void> forget_intents(const Action& action) const;
  void give_up_leaves(const Action& action);
  void discard_leaves();
  Result<void> renew_linked();
  Result<Outcome> report();

  const PublishContext context_;
  LongCopies& long_copies_;
  const Options options_;
  std::vector<Action> actions_;
  bool closed_ = false;  // a folder moves: it does so alone
  std::set<Name> names_;
  std::set<InodeNumber> changed_;  // nobody else may touch them
  std::set<InodeNumber> used_;     // several plans may use them, none may change them
  struct Leaf {
    std::string leaf;
    ArchiveVersion version;
  };
  std::vector<Leaf> given_up_;  // to be deleted from staging
  // The archive went away before all that was displaced was deleted.
  std::atomic<bool> leaves_left_{false};
};

}  // namespace tierhub
