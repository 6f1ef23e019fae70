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
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <semaphore>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "common/result.h"
#include "migrator/base/content.h"
#include "migrator/base/plan.h"
#include "migrator/publish/long_copies.h"

namespace tierhub {

// A plan on its way through a wave.
struct Action {
  Plan plan;
  std::string leaf;  // its names in staging begin with this
  std::optional<Snapshot> snapshot;
  // What stands in staging and is to be placed; its checksums if it has content.
  std::optional<ArchiveVersion> staged;
  std::vector<Checksum> checksums;
  uint64_t written_bytes = 0;
  uint64_t cloned_bytes = 0;
  // The object was read and found equal to the archived version.
  bool proved_equal = false;
  // The object has yet to be brought to its device.
  bool object_unsynced = false;
  // The intents written for it: of the target, then of each further name.
  std::vector<uint64_t> intents;
  // What stands at the target after the act.
  std::optional<ArchiveVersion> outcome;
  // After a move: its occupant, which rests at the source.
  std::optional<ArchiveVersion> occupant_now;
  // What loses one of several names was touched, and still is.
  bool stays_touched = false;
  // Per further name: why it could not be linked.
  std::vector<std::optional<Error>> further_failures;

  // How it ended, if not well.
  std::optional<NotReady> not_ready;
  std::optional<Error> failure;
  bool interrupted = false;  // the publisher is being stopped
  bool taken_back = false;   // with `failure`: the act was undone
  // With `failure`: nobody knows whether the act was done, or is on the device. Its intents stay
  // for the recovery.
  bool unknown_outcome = false;

  bool alive() const { return !not_ready && !failure && !interrupted; }
  std::string further_leaf(size_t i) const;
};

class Wave {
 public:
  struct Options {
    size_t lanes = 1;  // of files that are not small
    size_t max_actions = 1024;
    uint64_t long_copy_bytes = UINT64_MAX;  // larger files are copied beside the rounds
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
      : context_(context),
        long_copies_(long_copies),
        options_(options),
        large_lanes_(static_cast<ptrdiff_t>(options.lanes)) {}

  // Takes the plan in if it touches nothing that the plans taken so far touch.
  bool admit(Plan& plan, const SettleRule& settle);
  bool empty() const { return actions_.empty(); }
  // A plan taken so far places, changes, moves or removes the inode.
  bool changes(InodeNumber inode) const { return changed_.contains(inode); }

  // Once, under the tree mutex. An error is the catalog's: nothing can go on.
  Result<Outcome> run(const std::atomic<bool>& stopping);

 private:
  struct Pending {
    Action action;
    SettleRule settle;
    std::optional<ObjectStamp> stamp;  // its object shares the sync of scratch
  };

  // What a group of files leaves to be staged after the look at each.
  struct Staging {
    std::vector<Action*> small;  // in one call
    std::vector<StageFileRequest> requests;
    std::vector<Action*> large;  // each by itself, when all small ones are staged
  };

  Result<bool> stamp_objects();
  void stage_all(const std::atomic<bool>& stopping);
  std::vector<Action*> stage_group(std::span<Pending> group) const;
  Result<void> stage_one(Pending& pending, Staging& staging) const;
  Result<void> stage_changed(Action& action, Staging& staging) const;
  void stage_small(Staging& staging) const;
  void stage_large(Action& action) const;
  Result<bool> take_long_copy(Action& action) const;
  static Result<void> accept_staged(Action& action, Result<StagedContent> outcome);
  void sync_objects();
  void sync_staged();
  Result<void> fence(ScratchSync synced);
  Result<void> fence_one(Action& action, ScratchSync synced) const;
  Result<void> write_intents();
  void act_all();
  void allow_one_of_several(Action& action) const;
  void act_in_turn(const std::vector<Action*>& actions) const;
  void place_group(std::span<Action*> group) const;
  void finish_act(Action& action, Result<ArchiveVersion> done) const;
  Result<ArchiveVersion> act_on_target(Action& action) const;
  Result<ArchiveVersion> move(Action& action) const;
  Result<ArchiveVersion> set_attributes(const Action& action) const;
  void link_further(Action& action) const;
  Result<void> keep_displaced(const Action& action) const;
  void take_back(Action& action, const Error& why) const;
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
  mutable std::counting_semaphore<> large_lanes_;
  std::vector<Pending> actions_;
  bool closed_ = false;  // a folder moves: it does so alone
  std::set<Name> names_;
  std::set<InodeNumber> changed_;  // nobody else may touch them
  std::set<InodeNumber> used_;     // several plans may use them, none may change them
  struct Leaf {
    std::string leaf;
    ArchiveVersion version;
  };
  std::vector<Leaf> given_up_;  // to be deleted from staging
  std::atomic<bool> leaves_left_{
      false};  // the archive went away before all that was displaced was deleted
};

// Tells whether an act of a plan needs the intents protocol: all but attributes set in place.
std::vector<IntentRecord> intents_of(const Action& action);
// The names at which something else may stand after the act than before.
std::vector<Name> names_of(const Plan& plan);
// Deletes what rests in staging, if it is still `version`; what was written to meanwhile is kept
// aside.
// Fails only if the archive as a whole does not work; then the leaf stays until the recovery.
Result<void> discard_displaced(Archive& archive, const std::string& leaf,
                               const ArchiveVersion& version);
// A name of the file in the archive is gone, and its ctime and count of links moved with it.
// Without an answer of the archive it is touched, as far as we know.
Result<void> renew_version(Catalog& catalog, Archive& archive, InodeNumber inode);
// The version that place() displaces.
std::optional<ArchiveVersion> displaced_by_place(const Plan& plan);
// Commits in one batch what the acts of these actions made true, and drops intents and keys that
// they settled. Takes the inodes' locks. Several at once: only placed or published files.
Result<void> commit_actions(const PublishContext& context,
                            const std::vector<const Action*>& actions);

}  // namespace tierhub
