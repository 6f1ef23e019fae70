// The first two steps of a wave: the content of its files is made complete in the archive's staging
// folder, and brought to the archive's device.
//
//   1. Look at each file under its inode's lock. What is not quiet, or has not settled, is left.
//   2. Small files go to the archive in groups, then the others one by one, in lanes. Those that are
//      too large for a round are copied alongside (long_copies.h).
//   3. Sync scratch, then the archive: what is staged, and what it was staged from, is on its
//      device. If many small objects have yet to be harvested, the sync of scratch begins before
//      the first look, and runs alongside.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "common/result.h"
#include "migrator/publish/action.h"
#include "migrator/publish/long_copies.h"

namespace tierhub {

// Of one wave.
class Staging {
 public:
  struct Options {
    size_t lanes = 1;                       // of files that are not small
    uint64_t long_copy_bytes = UINT64_MAX;  // larger files are copied beside the rounds
  };

  // All are borrowed. What is found out is in the actions.
  Staging(const PublishContext& context, LongCopies& long_copies, const Options& options,
          std::span<Action> actions)
      : context_(context), long_copies_(long_copies), options_(options), actions_(actions) {}

  // Once. Returns whether what was staged before it was harvested was synced; an error is the
  // catalog's.
  Result<ScratchSync> run(const std::atomic<bool>& stopping);

 private:
  // How a file goes on after the look.
  enum class Way {
    ready,  // its content needs nothing more, or waits
    small,  // in one call with others
    large,  // by itself, when all small ones are staged
  };

  Result<bool> stamp_objects();
  void stage_all(const std::atomic<bool>& stopping);
  std::vector<Action*> stage_group(std::span<Action> group) const;
  Result<Way> look_at(Action& action, StageFileRequest& request) const;
  Result<Way> way_of_changed(Action& action, StageFileRequest& request) const;
  Result<bool> take_long_copy(Action& action) const;
  void stage_small(std::span<Action* const> actions,
                   const std::vector<StageFileRequest>& requests) const;
  void stage_large(Action& action) const;
  void sync_objects();
  void sync_archive();

  const PublishContext& context_;
  LongCopies& long_copies_;
  const Options options_;
  const std::span<Action> actions_;
};

}  // namespace tierhub
