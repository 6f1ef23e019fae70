// Makes a catalog consistent again, never at the price of bytes that are nowhere else.
//
//   1. Check; collect findings, up to a limit.
//   2. For each finding: check again, and repair it in one synced batch. What the finding names may
//      have been repaired with an earlier one: a repair that has nothing left to do does nothing,
//      so repair is idempotent and may be killed at any point.
//   3. Again from 1, for what was hidden or cut off, until a check finds nothing that can be
//      repaired.
// Objects are never deleted: what no record refers to is moved aside for tierd's reaper, after the
// batch.
#pragma once

#include <cstdint>
#include <functional>

#include "catalog/catalog.h"
#include "common/result.h"
#include "recovery/check.h"
#include "recovery/finding.h"

namespace tierhub::recovery {

// The folder in the namespace that takes in what has no place, made when it is needed.
inline constexpr const char* kRecoveredFolder = "tierhub-recovered";

struct RepairCounts {
  uint64_t repaired = 0;
  uint64_t left = 0;  // damage that only a person can end
};

// `found` is told each finding of the first check, and those that show later, once each.
Result<RepairCounts> repair(Catalog& catalog, const Scratch& scratch, const CheckOptions& options,
                            const std::function<void(const Finding&)>& found);

}  // namespace tierhub::recovery
