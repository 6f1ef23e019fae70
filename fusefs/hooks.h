// What the file system needs of those who fetch data, keep room in scratch and publish. The daemon
// implements it over the migrator; the two folders never include each other.
#pragma once

#include <cstdint>
#include <functional>

#include "common/result.h"
#include "common/types.h"
#include "inodes/recall.h"
#include "storage/archive/archive.h"

namespace tierhub {

// The kernel's number of a request that a signal may interrupt while it waits; 0: none can.
using RequestNumber = uint64_t;

// Any thread; no call blocks.
class FileSystemHooks {
 public:
  virtual ~FileSystemHooks() = default;
  FileSystemHooks() = default;
  FileSystemHooks(const FileSystemHooks&) = delete;
  FileSystemHooks& operator=(const FileSystemHooks&) = delete;

  // Fetches what is absent of `range`; `reason` is read, sequential or change. The caller asks again
  // if the state changed meanwhile. `done` is called once, on any thread.
  virtual void recall(InodeNumber inode, ByteRange range, RecallReason reason,
                      std::function<void(Result<Recalled>)> done) = 0;
  // A reader of `stream_bytes` contiguous bytes will soon need what begins at `from_bytes`.
  virtual void read_ahead(InodeNumber /*inode*/, uint64_t /*from_bytes*/,
                          uint64_t /*stream_bytes*/) {}

  // Counts this many more bytes of scratch as used; false if there is no room for them, or others
  // wait for some.
  virtual bool try_reserve(uint64_t bytes) = 0;
  // Ends a reservation, of which `written_bytes` were written to the inode's object.
  virtual void settle(InodeNumber inode, uint64_t reserved_bytes, uint64_t written_bytes) = 0;
  // Calls back when the bytes are reserved as by try_reserve(), or with errc::no_space_on_device
  // when no room can be made or none was in time, or with errc::interrupted.
  virtual void wait_for_room(uint64_t bytes, RequestNumber request,
                             std::function<void(Result<void>)> done) = 0;
  // Ends the waiting of that request, if it waits for room or is about to.
  virtual void interrupt(RequestNumber /*request*/) {}
  // There is no room even for one write, and there may be some soon: opening a file for writing
  // waits for it.
  virtual bool writers_wait() { return false; }
  // False near the end of scratch: a passthrough writer cannot be stopped, so writable opens go
  // through the daemon.
  virtual bool room_for_passthrough_writers() { return true; }

  // A program may write to the inode's object from now on.
  virtual void writing(InodeNumber /*inode*/) {}
  // The last handle of a file that was written is closed: it may be published now.
  virtual void closed(InodeNumber /*inode*/) {}
  // A file has lost its last name or its last handle: it may have to be reaped.
  virtual void unnamed(InodeNumber /*inode*/) {}
  // A program opened the folder to list it: it may have changed in the archive.
  virtual void listed(InodeNumber /*folder*/) {}

  // For statfs: the size of the archive's file system, as last known.
  virtual Archive::Space archive_space(const FileSystemId& /*file_system*/) { return {}; }
};

}  // namespace tierhub
