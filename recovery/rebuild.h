// Builds a new catalog from the archive and scratch, when the old one is gone or cannot be trusted.
//
//   1. `catalog.new` is made next to the old one: the archive's names and attributes are imported,
//      as at a first start.
//   2. Objects whose bytes may be nowhere else are adopted (Adoption). Nothing in scratch is
//      changed.
//   3. It is synced and closed; the old catalog is renamed to `catalog.old-<time>`, never deleted,
//      and the new one takes its name.
//   4. Tags are written again, for the next rebuild.
// Killed before 3, nothing has changed but `catalog.new`, which the next rebuild starts anew.
// Killed in 3, there is no catalog: tierd refuses to start over a scratch with objects, and the
// next rebuild starts anew. After 3, tierd's next start moves aside the objects that were not
// adopted.
#pragma once

#include <functional>
#include <string>

#include "common/result.h"
#include "recovery/adoption.h"
#include "recovery/donation.h"
#include "storage/archive/archive.h"
#include "storage/scratch/scratch.h"

namespace tierhub::recovery {

struct RebuildOptions {
  std::string state;  // the folder that holds `catalog`
  uint64_t chunk_bytes = 4 << 20;
  std::function<void(const std::string& what)> progress;
};

struct RebuildCounts {
  uint64_t imported_folders = 0;
  uint64_t imported_files = 0;
  AdoptionCounts adopted;
  DonationCounts donated;
  std::string donor;        // "the old catalog", "the backup of <time>", or empty
  std::string old_catalog;  // where it is now; empty: there was none
};

// The archive must be online. Fails with errc::device_or_resource_busy while tierd runs.
Result<RebuildCounts> rebuild(const Scratch& scratch, Archive& archive,
                              const RebuildOptions& options);

}  // namespace tierhub::recovery
