// Keeping the memory of a process out of files and away from other processes.
#pragma once

#include "common/result.h"

namespace tierhub {

// For a process that sees passwords or other secrets: the kernel writes no core file of it, and no other
// process of its user may read its memory. Holds until it executes a program.
Result<void> forbid_core_files();

}  // namespace tierhub
