// Which tierd uses an archive. Two that publish into one archive would each take the other's work
// for foreign changes, so the second one is refused.
//
// `.tierhub/claim` names the holder: its catalog, host, boot and process. The holder renews the
// file's modification time while it runs, by the archive's own clock, and removes the file when it
// stops cleanly.
//
//   1. No claim, or one that this catalog made on this host or since this boot: it is ours. This is
//      what a restart after a crash finds.
//   2. A claim of this host whose process has ended, by its number and start time in the same boot;
//      or one of an earlier boot of this host that was not renewed for two minutes: its holder is
//      dead, and the claim is replaced.
//   3. Any other claim is refused. A person who knows that its holder is dead says so (`tierd
//      --take-over`), and the claim is replaced.
//   4. The holder reads the claim again at each check of the root, that is before each round of the
//      journal and each scan, and at least every few seconds. If it names another catalog, the
//      archive is offline for the former holder from then on.
//
// A tierd that is killed between making the file and writing it leaves an empty claim; after two
// minutes it is replaced.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include <sys/types.h>

#include "common/clock.h"
#include "common/result.h"

namespace tierhub {

enum class TakeOver { refuse, replace };

// Who wants to use an archive.
struct Claimant {
  std::string catalog;  // the catalog's id; empty: the archive is used without a claim
  pid_t process = 0;    // the tierd, not its helper
  TakeOver take_over = TakeOver::refuse;
};

// A process of this boot, told apart from a later one with the same number.
struct ProcessMark {
  std::string number;
  std::string start;       // in clock ticks since the boot
  std::string name_space;  // in which the number means something

  bool operator==(const ProcessMark&) const = default;
};

class ArchiveClaim {
 public:
  // The claimant's process runs.
  explicit ArchiveClaim(Claimant claimant);

  // Makes, renews or checks the claim of the archive at `root_fd`. Another holder is claimed_code(),
  // with a sentence that names it. An archive that cannot be written
  // (EROFS, ENOSPC, EDQUOT) and has no claim is used without one until it can be. One thread at a
  // time.
  Result<void> hold(int root_fd);
  // Removes the claim if it is ours; hold() does nothing afterwards.
  Result<void> release(int root_fd);

 private:
  Result<void> make(int root_fd) const;
  Result<void> replace(int root_fd);
  Result<void> renew(int root_fd);
  Result<void> write(int fd) const;

  Claimant claimant_;
  ProcessMark process_;       // of the claimant
  Result<std::string> boot_;  // this one
  bool released_ = false;
  // When this object last made or renewed the claim.
  std::optional<SteadyClock::time_point> renewed_;
};

}  // namespace tierhub
