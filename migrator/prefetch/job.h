// What the prefetcher's sources know about an unfinished prefetch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "migrator/prefetch/pieces.h"
#include "migrator/prefetch/prefetcher.h"

namespace tierhub {

inline constexpr size_t kItemsPerRead = 512;
// How often it is asked what may be leased while a lease waits, and nothing happened here that
// would allow it.
inline constexpr std::chrono::milliseconds kGrantRetry{200};

// The parts of a file of this size that an item asks for: disjoint, in ascending order.
std::vector<ByteRange> asked_ranges(const PrefetchItem& item, uint64_t size_bytes);

// One file of a prefetch while its pieces are on their way.
struct Prefetcher::File {
  uint64_t index = 0;
  PrefetchItem item;
  uint64_t chunk_bytes = 1;
  uint64_t size_bytes = 0;
  // Guarded by mutex_. It ends when all its pieces are begun and none is left.
  bool all_begun = false;
  size_t pieces_left = 0;
  std::optional<Error> error;
};

struct Prefetcher::Piece {
  std::shared_ptr<File> file;
  PieceStream::Piece part;
  SteadyClock::time_point give_up;
  uint64_t most_cost_bytes = UINT64_MAX;  // of a large one that is expected to be a hole
  // It is not tried again before.
  SteadyClock::time_point not_before = {};
  // What it takes from the archive if all of it is data: whole chunks.
  uint64_t chunk_bytes() const {
    const uint64_t chunk = file->chunk_bytes;
    const uint64_t end = (part.range.end + chunk - 1) / chunk * chunk;
    const ByteRange chunks{part.range.begin / chunk * chunk, std::min(end, file->size_bytes)};
    return chunks.size();
  }
  uint64_t cost_bytes() const { return std::min(chunk_bytes(), most_cost_bytes); }
  bool is_large() const { return chunk_bytes() > most_cost_bytes; }
};

// Guarded by Prefetcher::mutex_, but for what is the thread's own.
struct Prefetcher::Job {
  // What an earlier process left of it, while that is counted page by page.
  struct Recount {
    uint64_t next_index = 0;
    uint64_t left_bytes = 0;
    uint64_t left_files = 0;
    size_t range_count = 0;
    LeaseAsk ask;
  };

  PrefetchRecord record;
  // The thread's own: what it begins next.
  std::deque<std::pair<uint64_t, PrefetchItem>> page;  // of the items in the catalog
  uint64_t next_index = 0;                             // of the items behind the page
  std::shared_ptr<File> file;                          // whose pieces come next
  std::optional<PieceStream> pieces;                   // of the file
  std::unique_ptr<Recount> recount;
  bool has_run = false;  // in this process

  std::optional<Piece> held;  // the next piece, while too much is under way
  bool is_counted = true;     // else it is not known yet how much of it is left
  bool all_begun = false;
  bool keeps_items = false;    // tierd stops: the next process goes on with them
  bool is_over = false;        // ended, and nothing of it is under way
  size_t in_flight = 0;        // pieces
  size_t large_in_flight = 0;  // of them, those that are expected to be holes
  unsigned empty_pieces = 0;   // the last so many had nothing to copy: holes, or resident
  size_t files_left = 0;       // begun and not ended
  uint64_t done_bytes = 0;
  uint64_t copied_bytes = 0;
  uint64_t done_files = 0;
  size_t range_count = 0;         // of its items that do not ask for whole files
  std::deque<Piece> waiting;      // for room, or for a file to be complete; the oldest first
  std::optional<PieceWait> wait;  // while pieces wait: for room, or for the latest file
  SteadyClock::time_point no_room_until = {};
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

  bool has_nothing_left() const {
    return !parked() && (is_counted || ended()) && all_begun && files_left == 0 && !held &&
           !keeps_items;
  }
  bool cancelled() const { return record.state == PrefetchState::cancelled; }
  bool parked() const { return record.state == PrefetchState::parked; }
  bool ended() const {
    return record.state == PrefetchState::done || record.state == PrefetchState::failed ||
           record.state == PrefetchState::cancelled;
  }
};

// An ask whose large files are being measured, some at a time.
struct Prefetcher::Measuring {
  uint64_t id = 0;
  LeaseAsk ask;
  std::vector<InodeNumber> files;
  size_t next = 0;
};

}  // namespace tierhub
