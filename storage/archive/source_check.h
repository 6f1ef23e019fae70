// Checks that an open file of the archive is the version on record, and that it did not change
// while it was read.
#pragma once

#include <sys/stat.h>

#include "common/result.h"
#include "storage/archive/archive.h"
#include "storage/archive/entry.h"

namespace tierhub {

// `found` is the stat of `fd`. A conflict if it is not `expected`: kind, size, time of change, and
// identity; errc::no_such_device if it is not even in the file system of `scheme`. The identity is
// told from the stat alone where the file system shows birth times, and else from the handle, which
// local and NFS clients have in memory: this never waits for the archive.
Result<void> check_source(int fd, const struct statx& found, const ArchiveVersion& expected,
                          const IdentityScheme& scheme);

// The same times of change: nobody wrote in between. (The kernel's ctime cannot be set back.)
bool same_times(const struct statx& before, const struct statx& after);

// The same content as far as stat can tell; ctime alone moves with a new name or mode too.
bool same_content(const struct statx& before, const struct statx& after);

}  // namespace tierhub
