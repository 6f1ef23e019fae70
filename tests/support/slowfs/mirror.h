// Mirrors a folder, request by request, each one delayed. Serves any number of requests at once and
// caches nothing.
#pragma once

#define FUSE_USE_VERSION 314

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include <fuse_lowlevel.h>

#include "common/unique_fd.h"
#include "faults.h"

namespace tierhub::slowfs {

// A file of the backing folder that the kernel knows; its address is the kernel's number for it.
struct Node {
  UniqueFd fd;                        // O_PATH
  std::pair<uint64_t, uint64_t> key;  // device and inode number
  uint64_t lookups = 0;
};

class Mirror {
 public:
  Mirror(UniqueFd backing, std::chrono::nanoseconds delay, std::string fault_file);

  static Mirror& of(fuse_req_t request) {
    return *static_cast<Mirror*>(fuse_req_userdata(request));
  }

  // Sleeps as long as every request takes. Returns the faults that hold for it.
  Faults begin() const;
  // Sleeps until so many bytes may go through.
  void take_turn(const Faults& faults, uint64_t bytes);
  // The name that the file has in the backing folder.
  std::string name_of(fuse_ino_t number) const;
  int fd_of(fuse_ino_t number) const;
  // What lookup, create and their kin answer: the entry `name` of `parent`. Returns 0 or an errno
  // value.
  int enter(fuse_ino_t parent, const char* name, fuse_entry_param* entry);
  void forget(fuse_ino_t number, uint64_t lookups);

 private:
  Node root_;
  const std::chrono::nanoseconds delay_;
  const std::string fault_file_;
  std::mutex turn_mutex_;
  std::chrono::steady_clock::time_point next_turn_;  // guarded by turn_mutex_
  std::mutex mutex_;
  std::map<std::pair<uint64_t, uint64_t>, Node*> nodes_;
};

// The requests, with a Mirror as their user data.
const fuse_lowlevel_ops& operations();

}  // namespace tierhub::slowfs
