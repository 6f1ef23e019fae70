// Work on files, the same below any folder.
#pragma once

#include <cstdint>
#include <string>

#include "bench/measure.h"

namespace tierhub::bench {

// Rates in MiB/s. `flags` may have O_DIRECT.
double read_sequentially(const std::string& path, int flags, uint64_t begin, uint64_t end);
enum class Sync { none, at_end };
// Writes a new file, and removes it afterwards.
double write_sequentially(const std::string& path, uint64_t size, size_t block, Sync sync);

// 4 KiB each, a second. For some tenths of a second, below `end`.
double read_randomly(const std::string& path, int flags, uint64_t end);
double read_mapped(const std::string& path);
double write_randomly(const std::string& path, uint64_t end);

// Files a second. `folder` must not exist; it is removed afterwards.
double create_small_files(const std::string& folder, int count);
// Opens, reads 4 KiB of and closes file-0 to file-<count - 1>.
double open_small_files(const std::string& folder, int count);
std::string small_file(const std::string& folder, int number);
// Entries a second: lists every folder and stats every entry.
double walk(const std::string& folder);

// Milliseconds from open to the first byte.
double first_byte_ms(const std::string& path);

}  // namespace tierhub::bench
