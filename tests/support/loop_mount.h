// File systems of a chosen kind, in a sparse image, mounted for one test.
#pragma once

#include <cstdint>
#include <string>

#include "tests/support/temporary_directory.h"

namespace tierhub::test {

// Gives the process mounts of its own: nothing stays mounted when it ends, and the kernel gives up
// its loop devices. Throws if this is not root. Once is enough.
void use_own_mounts();

class LoopMount {
 public:
  // `type`: ext4, xfs or btrfs. The mount point is made if it is missing. Throws if it cannot be
  // mounted.
  LoopMount(const std::string& type, std::string mount_point, uint64_t size_bytes = 400 << 20);
  ~LoopMount();
  LoopMount(const LoopMount&) = delete;
  LoopMount& operator=(const LoopMount&) = delete;

  const std::string& path() const { return mount_point_; }
  // Takes the file system away, and brings it back.
  void unmount();
  void mount();

 private:
  std::string image() const { return folder_ / "image"; }

  TemporaryDirectory folder_;
  const std::string mount_point_;
};

}  // namespace tierhub::test
