// The compressors of chunks. Pure functions, any thread.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "formats/coding.h"

namespace tierhub::pixels {

// Undoes `codecs` in their order; the result must fill `out` exactly. Damaged input is an error and
// never writes beyond `out`.
Result<void> undo_codecs(const std::vector<formats::Codec>& codecs,
                         std::span<const std::byte> packed, std::span<std::byte> out);

// One Zstandard frame. `level` as libzstd counts: 1 is the fastest of the usual ones.
Result<std::string> compress_zstd(std::span<const std::byte> bytes, int level);

// How HTTP calls what `packed` is, "zstd" or "gzip", if it is one whole frame or member of exactly
// `size_bytes` as far as its head and end say; empty otherwise.
std::string_view content_encoding_of(std::span<const std::byte> packed, uint64_t size_bytes);

// The checksum of HDF5.
uint32_t fletcher32(std::span<const std::byte> bytes);

// Zstandard packs pictures best; LZ4 is faster, and as good for labels.
enum class BloscCodec { zstd, lz4 };
const char* to_text(BloscCodec codec);  // as Blosc names it
// Packs a chunk as Blosc with byte shuffle: equal input gives equal bytes. The result is valid until
// this thread packs the next one.
Result<std::span<const std::byte>> compress_blosc(std::span<const std::byte> bytes,
                                                  size_t item_bytes,
                                                  BloscCodec codec = BloscCodec::zstd);

}  // namespace tierhub::pixels
