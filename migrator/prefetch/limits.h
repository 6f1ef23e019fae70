// How much may be asked of the prefetcher, so that no request, and no user with all their requests,
// can take the machine's memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tierhub {

struct PrefetchLimits {
  // Of one request.
  size_t names = 200'000;    // paths and files that it names
  size_t ranges = 200'000;   // of all its files
  size_t text_bytes = 1000;  // of its label, and of the owner of its lease
  // Of one prefetch: files, with those below its folders.
  uint64_t files = 10'000'000;
  // Of all prefetches of one user that have not ended.
  size_t open_prefetches = 1000;
  size_t open_ranges = 1'000'000;
  // Files, or more exactly separate parts of files, under all leases of one user.
  size_t leased_parts = 1'000'000;
};

}  // namespace tierhub
