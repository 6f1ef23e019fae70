// Where a file has data and where holes.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "common/result.h"
#include "common/types.h"

namespace tierhub {

// The parts of `range` that hold data, in order. All of it where the file system cannot tell.
// Blocks. Moves the descriptor's file position.
Result<std::vector<ByteRange>> data_ranges(int fd, ByteRange range);

// How many bytes of `ranges` (in order, disjoint) hold data, counted in whole blocks. It looks at
// so many pieces of data at most: what lies behind them counts as if it were data. `progress` is
// called now and then; it may be empty. As above.
inline constexpr uint64_t kMostPiecesLookedAt = 256 << 10;
Result<uint64_t> data_bytes(int fd, const std::vector<ByteRange>& ranges,
                            const std::function<void()>& progress,
                            uint64_t most_pieces = kMostPiecesLookedAt);

// The bytes of `ranges` below `end`.
uint64_t bytes_in(const std::vector<ByteRange>& ranges, uint64_t end);

// The parts of `range` that none of `ranges` (in order, disjoint) covers.
std::vector<ByteRange> gaps(ByteRange range, const std::vector<ByteRange>& ranges);

// The parts of `ranges` (in order, disjoint) that lie in `range`.
std::vector<ByteRange> clip(const std::vector<ByteRange>& ranges, ByteRange range);

}  // namespace tierhub
