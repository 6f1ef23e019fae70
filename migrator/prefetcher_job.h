// What prefetcher.cpp and prefetcher_granting.cpp know of a prefetch that is under way.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "common/clock.h"
#include "migrator/prefetcher.h"

namespace tierhub {

inline constexpr size_t kItemsPerRead = 512;

// The parts of a file of this size that an item asks for.
std::vector<ByteRange> asked_ranges(const PrefetchItem& item, uint64_t size_bytes);

// One file of a prefetch while its pieces are on their way.
struct Prefetcher::File {
  uint64_t index = 0;
  PrefetchItem item;
  size_t pieces_left = 0;
  std::optional<Error> error;
};

struct Prefetcher::Piece {
  std::shared_ptr<File> file;
  ByteRange range;
  SteadyClock::time_point give_up;
};

// All guarded by Prefetcher::mutex_.
struct Prefetcher::Job {
  PrefetchRecord record;
  uint64_t next_index = 0;  // of the items in the catalog
  bool all_begun = false;
  bool cancelled = false;
  size_t files_left = 0;  // begun and not ended
  uint64_t done_bytes = 0;
  uint64_t copied_bytes = 0;
  uint64_t done_files = 0;
  std::vector<Piece> waiting_for_room;
  std::optional<PieceWait> wait;            // while pieces wait: for room, or for the latest file
  std::vector<InodeNumber> granted_inodes;  // whose leases are not on disk yet
  SteadyClock::time_point window_begin = SteadyClock::now();
  SteadyClock::time_point counted = window_begin;  // when bytes came last
  uint64_t window_bytes = 0;
  double rate = 0;

  // While bytes come; 0 if none has come yet.
  double rate_when_counted() const {
    if (rate > 0 || window_bytes == 0) return rate;
    const std::chrono::duration<double> window = counted - window_begin;
    return static_cast<double>(window_bytes) / std::max(0.1, window.count());
  }

  bool ended() const {
    return record.state == PrefetchState::done || record.state == PrefetchState::failed ||
           record.state == PrefetchState::cancelled;
  }
};

}  // namespace tierhub
