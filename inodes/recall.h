// A recall: fetching bytes that only the archive has into scratch. These are the words that those who
// ask for one and those who perform it have in common.
#pragma once

#include <cstdint>
#include <memory>

#include "common/unique_fd.h"

namespace tierhub {

enum class RecallReason {
  read,  // a reader needs no more than these bytes, and may get them before their chunk is kept
  sequential,  // a reader will go on behind them: the whole chunks are wanted
  change,      // parts of the chunks are to be changed, so they must be kept
  ahead,       // a reader will need them soon, or got them already: nobody waits
  prefetch,    // somebody asked for the file
};

struct Recalled {
  // Not valid: the range is resident now. Valid: the bytes are in this file at the same offsets;
  // scratch had no room, or they came before their chunk.
  std::shared_ptr<UniqueFd> unkept;
  uint64_t copied_bytes = 0;
};

}  // namespace tierhub
