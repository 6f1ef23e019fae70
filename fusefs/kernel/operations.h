// Each request of the kernel as one call of the file system.
#pragma once

#include "fusefs/kernel/libfuse.h"

namespace tierhub {

// For a session whose userdata is a FuseConnection. FLUSH, locks, ioctl and COPY_FILE_RANGE are
// missing on purpose: the kernel does them alone, or does without. So is FORGET: inode numbers are
// never reused, and nothing is kept for what the kernel knows.
const fuse_lowlevel_ops& fuse_operations();

}  // namespace tierhub
