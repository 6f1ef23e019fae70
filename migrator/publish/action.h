// A plan on its way through a wave, and what each step finds out about it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "migrator/base/content.h"
#include "migrator/base/plan.h"
#include "migrator/publish/departure.h"

namespace tierhub {

struct Action {
  Plan plan;
  SettleRule settle;
  std::string leaf;                  // its names in staging begin with this
  std::optional<ObjectStamp> stamp;  // its object shares the sync of scratch
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
  // A file, folder, symlink or special file in staging goes to the target.
  bool is_placed() const;
  // Only its attributes change, where it stands.
  bool sets_attributes() const;
  // What rests in staging once the act is done; none: nothing.
  std::optional<Displaced> displaced() const;
};

// The names at which something else may stand after the act than before.
std::vector<Name> names_of(const Plan& plan);

}  // namespace tierhub
