// How much memory an operator needs at most: what --estimate prints.
#pragma once

#include <cstdint>
#include <vector>

#include "imaging/images/reader.h"
#include "imaging/voxels/parallel.h"

namespace tierhub::imaging {

// Follows the large pieces of memory that an operator allocates and frees, in their order. Next to
// a function that needs much, there is one of the same name that takes a MemoryUse first and says
// what it needs; what the function returns stays allocated.
class MemoryUse {
 public:
  // Begins with what every run needs: the program, and its threads.
  explicit MemoryUse(Parallel parallel);

  void allocate(uint64_t bytes);
  // Pieces of less than 32 MiB stay with the process and are used again (see keep_freed_memory).
  void free(uint64_t bytes);
  // Reads a box as grey values, which stay.
  void read_grey(const ImageReader& reader, const Box& box);
  // Reads the boxes of one level, each with as much around it: of the chunks of which a box has
  // only a part, as many as an image keeps stay, and so does the one that each other thread decodes.
  void keep_chunks(const formats::ImageInfo& info, const std::vector<Box>& boxes,
                   const Halo& halo = {});
  // The same if all chunks of a volume of so many bytes are such.
  void keep_chunks(uint64_t bytes);
  // The same of blocks of labels, which keep as many together.
  void keep_block_chunks(uint64_t bytes);
  // Packs a volume of `bytes` in chunks of `chunk_bytes`, each thread one at a time, in so many
  // copies. What other threads than the first one allocate is used by them alone.
  void pack_chunks(uint64_t bytes, uint64_t chunk_bytes, uint64_t copies = 2);
  // The same for chunks of images, which are packed with zstd; labels are with lz4.
  void pack_image_chunks(uint64_t bytes, uint64_t chunk_bytes);

  size_t threads() const { return parallel_.threads(); }
  uint64_t peak() const { return peak_; }

 private:
  void add_fresh(uint64_t bytes);  // of which nothing was freed before

  Parallel parallel_;
  uint64_t now_;
  uint64_t peak_;
  std::vector<uint64_t> kept_;  // freed pieces
  uint64_t of_blocks_ = 0;
  uint64_t of_other_threads_ = 0;
  uint64_t other_compressors_ = 0;
};

// The bytes of a volume of grey values, or of labels.
uint64_t grey_bytes(const Box& box);
uint64_t label_bytes(const Box& box);

}  // namespace tierhub::imaging
