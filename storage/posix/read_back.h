// Reads what was just written back from its device, and compares: not from the page cache, which
// has the intended bytes, whatever the disk has.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/hash.h"
#include "common/interval_set.h"
#include "common/result.h"

namespace tierhub {

struct WrittenFile {
  int fd = -1;      // as it was written; borrowed
  int folder = -1;  // where it stands, as `leaf`; borrowed
  std::string leaf;
  uint64_t size_bytes = 0;
  uint64_t chunk_bytes = 0;
  const std::vector<Checksum>& checksums;  // one per chunk
  const IntervalSet& chunks;               // those to compare
};

// Blocks; `progress` (may be empty) is called chunk by chunk. errc::bad_message: it reads back as
// something else.
Result<void> read_back(const WrittenFile& file, const std::function<void()>& progress);

}  // namespace tierhub
