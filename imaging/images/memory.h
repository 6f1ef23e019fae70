// How much memory an operator needs at most: what --estimate prints.
#pragma once

#include <cstdint>
#include <vector>

#include "imaging/images/reader.h"
#include "imaging/voxels/parallel.h"

namespace tierhub::imaging {

// Follows the large pieces of memory that an operator allocates and frees, in their order.
class MemoryUse {
 public:
  // Begins with what every run needs: the program, and its threads.
  explicit MemoryUse(Parallel parallel);

  void allocate(uint64_t bytes);
  // Pieces of less than 32 MiB stay with the process and are used again (see keep_freed_memory).
  void free(uint64_t bytes);
  // Reads a box as grey values, which stay: also the chunks that are kept because the box has only
  // a part of them.
  void read_grey(const ImageReader& reader, const Box& box);
  // Reads all of a volume of so many bytes in parts: as many of its chunks as an image keeps stay.
  void keep_chunks(uint64_t bytes);
  // Packs a volume of `bytes` in chunks of `chunk_bytes`, each thread one at a time. What other
  // threads than the first one allocate is not used again.
  void pack_chunks(uint64_t bytes, uint64_t chunk_bytes);

  uint64_t peak() const { return peak_; }

 private:
  Parallel parallel_;
  uint64_t now_;
  uint64_t peak_;
  std::vector<uint64_t> kept_;  // freed pieces
};

// The bytes of a volume of grey values, or of labels.
uint64_t grey_bytes(const Box& box);
uint64_t label_bytes(const Box& box);

}  // namespace tierhub::imaging
