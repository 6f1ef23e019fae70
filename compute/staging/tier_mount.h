// TierHub's mount, which an agent with --require-mount waits for. While tierd does not serve it,
// its mount point is an empty folder of another file system: anything created there would keep
// tierd from mounting.
#pragma once

#include <cstdint>
#include <string>

#include "common/result.h"
#include "common/unique_fd.h"

namespace tierhub::compute {

class TierMount {
 public:
  // An error that says what is there instead, if TierHub is not mounted at `path` now.
  static Result<TierMount> open(const std::string& path);

  // The root of the mount. What is made below it is made in the mount.
  int fd() const { return root_.get(); }
  // Still mounted there, and served. Another mount, of a tierd that was restarted, is not this one.
  bool is_there() const;

 private:
  TierMount(std::string path, UniqueFd root, uint64_t id)
      : path_(std::move(path)), root_(std::move(root)), id_(id) {}

  std::string path_;
  UniqueFd root_;
  uint64_t id_ = 0;  // of the kernel; not given to another mount while root_ is open
};

}  // namespace tierhub::compute
