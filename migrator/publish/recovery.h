// Settles what an interrupted round left behind. Intents say what was about to be done; the state
// of the archive says how far it got. Files are recognised by identity, never by name.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "common/result.h"
#include "migrator/base/base_edit.h"
#include "migrator/base/content.h"
#include "migrator/publish/departure.h"

namespace tierhub {

class PublishRecovery {
 public:
  // `busy_leaves`: names in staging that are in use, and are left alone.
  PublishRecovery(const PublishContext& context, std::set<std::string> busy_leaves)
      : context_(context), kept_leaves_(std::move(busy_leaves)) {}

  // Under the tree mutex, while nothing else acts on the archive. Fails if the archive does not
  // answer; then nothing is lost, and it can be run again.
  Result<void> run();
  // Nested file systems that are not there, or do not work: what was interrupted there is settled
  // by a later run, and nothing may be done there before.
  const std::map<FileSystemId, std::string>& unsettled() const { return unsettled_; }

 private:
  // An intent, and where it points in the archive now.
  struct Case {
    uint64_t sequence = 0;
    IntentRecord intent;
    std::string target;
    std::string leaf;  // path of the leaf in staging
    std::optional<ArchiveVersion> at_target;
    std::optional<ArchiveVersion> at_leaf;
  };

  Result<void> sync_file_systems(const std::set<FileSystemId>& file_systems);
  bool waits(const FileSystemId& file_system, const Error& error);
  Result<void> settle_or_park(uint64_t sequence, const IntentRecord& intent);
  Result<void> settle(uint64_t sequence, const IntentRecord& intent);
  Result<void> settle_arrival(const Case& found);
  Result<std::optional<ArchiveVersion>> displaced_version(const Case& found) const;
  Result<std::optional<Displaced>> displaced_by(const Case& found,
                                                const ArchiveVersion& version) const;
  Result<void> take_back(const Case& found, const Displaced& displaced, const Error& why);
  Result<void> settle_move(const Case& found);
  Result<void> settle_removal(const Case& found);
  Result<void> settle_undone(const Case& found);
  Result<bool> redo_link(const Case& found);
  Result<void> give_back(const Case& found);
  Result<void> commit_arrival(const Case& found, const ArchiveVersion& version);
  Result<void> commit_removal(const Case& found);
  void record_content(Batch& batch, InodeState& inode, const Case& found,
                      const ArchiveVersion& version, std::optional<InodeUpdate>& update) const;
  Result<void> drop(uint64_t sequence);
  Result<void> leave_to_key(const Case& found);
  Result<void> park(const Case& found, const std::string& reason);
  Result<void> put_key(const Case& found, const std::string& parked_reason);
  Result<void> discard_leftovers();
  Result<void> harvest_writers();
  Result<std::optional<std::string>> path_of(const Name& name) const;

  const PublishContext context_;
  std::map<FileSystemId, std::string> unsettled_;  // and why
  std::set<std::string> kept_leaves_;              // busy; or foreign, and nowhere to put them back
};

}  // namespace tierhub
