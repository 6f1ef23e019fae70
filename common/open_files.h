// How many files a process may have open.
#pragma once

namespace tierhub {

// For a process with a descriptor for each of many files or callers: as many as the administrator allows
// (the hard limit), not as many as programs have that use select() (1,024).
void allow_many_descriptors();

}  // namespace tierhub
