// Distinguishes programs that read a file sequentially from those that read at random. The kernel
// reads ahead with several requests at once, so the reads of one program may arrive out of order.
// If a few programs read the same file, each is tracked.
#pragma once

#include <array>
#include <cstdint>

#include "common/types.h"

namespace tierhub {

class ReadStreams {
 public:
  // Somebody reads `range`. Returns how many bytes the stream that this read belongs to has got on.
  uint64_t note(ByteRange range);

 private:
  struct Stream {
    uint64_t next = 0;  // behind the last byte read
    uint64_t read_bytes = 0;
  };
  std::array<Stream, 4> streams_;  // the one that got on last is the first
};

}  // namespace tierhub
