// Bytes in the archive or in scratch that do not match what was recorded.
#pragma once

#include <cstdint>
#include <string>
#include <system_error>

#include "common/result.h"

namespace tierhub {

// Says so to the administrator, in the health and the log, and counts it. The error has `code`. Any
// thread.
Error damaged_copy(std::errc code, const std::string& path, uint64_t chunk);
// The same of a chunk in scratch that nobody changed. `path` is in the archive.
void note_rotten_chunk(const std::string& path, uint64_t chunk);

}  // namespace tierhub
