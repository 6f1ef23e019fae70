// CRC-32C (Castagnoli), as Zarr version 3 uses it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tierhub::formats {

uint32_t crc32c(std::span<const std::byte> bytes);

}  // namespace tierhub::formats
