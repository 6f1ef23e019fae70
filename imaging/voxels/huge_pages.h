// Memory for volumes.
#pragma once

#include <cstddef>

namespace tierhub::imaging {

// Asks the kernel for huge pages, where they fit, for memory that nobody has written yet. First
// writes are several times as fast so, and loops that read many planes at a time miss fewer
// addresses in the processor's cache of them. A hint: nothing happens where there are none.
void prefer_huge_pages(void* memory, size_t bytes);

// Makes freed memory of up to 32 MiB a piece stay with this process, to be used again: the kernel zeroes
// fresh memory, which costs as much as packing a chunk. To be called once, at the start.
void keep_freed_memory();

}  // namespace tierhub::imaging
