// From the stored bytes of a chunk to voxels. The only place that knows how formats store numbers.
#pragma once

#include <cstddef>
#include <span>

#include "common/result.h"
#include "formats/image.h"

namespace tierhub::pixels {

// Fills `voxels` with the numbers of a chunk, in the type of the image, little-endian, laid out as
// chunk.stored and chunk.stride say; it must have chunk.stored.voxels() of them. Any thread.
Result<void> decode(const formats::Chunk& chunk, std::span<const std::byte> packed,
                    std::span<std::byte> voxels);

// True if the stored bytes are the voxels, but for their byte order: they can be read in place.
bool is_stored_plain(const formats::Coding& coding);
// Turns the order of the bytes where `coding` says so.
void to_little_endian(const formats::Coding& coding, std::span<std::byte> voxels);

// Half-precision floats, as 2 bytes each, to single precision; `halves` may be the end of `floats`.
void widen_halves(std::span<const std::byte> halves, std::span<std::byte> floats);

}  // namespace tierhub::pixels
