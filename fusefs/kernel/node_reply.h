// Converts what the file system says about an inode into the kernel's reply.
#pragma once

#include <sys/stat.h>

#include "fusefs/file_system.h"
#include "fusefs/kernel/kernel_layout.h"
#include "fusefs/kernel/libfuse.h"

namespace tierhub {

// How long the kernel may believe what it was told.
struct CacheTimeouts {
  double entry_s = 0;
  double attr_s = 0;
};

// st_blocks is of the file, never of what is resident: `tar -S` and `cp` take a file without
// blocks for zeros.
struct stat to_stat(const NodeInfo& node);
// 0 while the attributes may change unseen.
double attr_timeout_s(const NodeInfo& node, const CacheTimeouts& timeouts);
fuse_entry_param to_entry_param(const NodeInfo& node, const CacheTimeouts& timeouts);
fuse_entry_out to_entry_out(const NodeInfo& node, const CacheTimeouts& timeouts);

// `fh`: what the kernel says whenever it means this handle.
fuse_abi::OpenReply to_open_reply(const Opened& opened, uint64_t fh);
fuse_abi::CreateReply to_create_reply(const Created& created, uint64_t fh,
                                      const CacheTimeouts& timeouts);

// `to_set`: FUSE_SET_ATTR_* bits that say which members of `wanted` count. Without any of them, and
// when someone other than root cuts the file, set-user-id and its kin go.
AttributeChange to_attribute_change(const struct stat& wanted, int to_set, const FsCaller& caller);

}  // namespace tierhub
