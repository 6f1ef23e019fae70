// The kernel's FUSE messages as far as we write them ourselves: those newer than the <linux/fuse.h>
// of Debian 12 and unknown to libfuse 3.14. Fixed by the kernel's ABI.
#pragma once

#include <cstddef>
#include <cstdint>

#include <linux/fuse.h>
#include <sys/ioctl.h>

namespace tierhub::fuse_abi {

inline constexpr uint32_t kTmpfile = 51;  // the operation

// INIT, `flags`.
inline constexpr uint32_t kParallelDirops = 1u << 18;
inline constexpr uint32_t kHandleKillprivV2 = 1u << 28;
inline constexpr uint32_t kInitExt = 1u << 30;
// INIT, `flags2`: valid with kInitExt only.
inline constexpr uint32_t kDirectIoAllowMmap = 1u << 4;
inline constexpr uint32_t kPassthrough = 1u << 5;
inline constexpr uint32_t kHasResend = 1u << 7;

// `unique` of a request that comes again.
inline constexpr uint64_t kResent = 1ull << 63;
// The notification that asks for all requests that were read and not answered.
inline constexpr int32_t kNotifyResend = 7;

// OPEN and CREATE, `open_flags` of the reply.
inline constexpr uint32_t kOpenKeepCache = 1u << 1;
inline constexpr uint32_t kOpenPassthrough = 1u << 7;

// The body of a reply to INIT.
struct InitReply {
  uint32_t major;
  uint32_t minor;
  uint32_t max_readahead;
  uint32_t flags;
  uint16_t max_background;
  uint16_t congestion_threshold;
  uint32_t max_write;
  uint32_t time_gran;
  uint16_t max_pages;
  uint16_t map_alignment;
  uint32_t flags2;
  uint32_t max_stack_depth;
  uint32_t unused[6];
};
static_assert(sizeof(InitReply) == 64 && sizeof(InitReply) == sizeof(fuse_init_out));
static_assert(offsetof(InitReply, flags) == offsetof(fuse_init_out, flags));
static_assert(offsetof(InitReply, flags2) == offsetof(fuse_init_out, flags2));
static_assert(offsetof(InitReply, max_stack_depth) == offsetof(fuse_init_out, flags2) + 4);

// The body of a reply to OPEN.
struct OpenReply {
  uint64_t fh;
  uint32_t open_flags;
  int32_t backing_id;
};
static_assert(sizeof(OpenReply) == 16 && sizeof(OpenReply) == sizeof(fuse_open_out));
static_assert(offsetof(OpenReply, open_flags) == offsetof(fuse_open_out, open_flags));

// The body of a reply to CREATE.
struct CreateReply {
  fuse_entry_out entry;
  OpenReply open;
};
static_assert(sizeof(CreateReply) == sizeof(fuse_entry_out) + sizeof(fuse_open_out));

// The argument of kBackingOpen.
struct BackingMap {
  int32_t fd;
  uint32_t flags;
  uint64_t padding;
};
static_assert(sizeof(BackingMap) == 16);

inline constexpr unsigned long kBackingOpen = _IOW(229, 1, BackingMap);
inline constexpr unsigned long kBackingClose = _IOW(229, 2, uint32_t);

}  // namespace tierhub::fuse_abi
