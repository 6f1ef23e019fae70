// The compressors of Zarr chunks. Pure functions, any thread.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "common/result.h"
#include "formats/dataset.h"

namespace tierhub::imaging {

// Unpacks a chunk into `out`, which it must fill exactly; damaged input is an error and never
// writes beyond `out`.
Result<void> decompress(formats::Codec codec, std::span<const std::byte> packed,
                        std::span<std::byte> out);

// Packs a chunk as Blosc with Zstandard and byte shuffle: equal input gives equal bytes.
Result<std::string> compress_blosc(std::span<const std::byte> bytes, size_t item_bytes);

}  // namespace tierhub::imaging
