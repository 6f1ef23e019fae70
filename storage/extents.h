// Where a file has data and where holes.
#pragma once

#include <vector>

#include "common/result.h"
#include "common/types.h"

namespace tierhub {

// The parts of `range` that hold data, in order. All of it where the file system cannot tell.
// Blocks. Moves the descriptor's file position.
Result<std::vector<ByteRange>> data_ranges(int fd, ByteRange range);

// The parts of `range` that none of `ranges` (in order, disjoint) covers.
std::vector<ByteRange> gaps(ByteRange range, const std::vector<ByteRange>& ranges);

// The parts of `ranges` (in order, disjoint) that lie in `range`.
std::vector<ByteRange> clip(const std::vector<ByteRange>& ranges, ByteRange range);

}  // namespace tierhub
