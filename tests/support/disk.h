// A file system of its own for a test, in an image file on a loop device, that can lose power.
#pragma once

#include <cstdint>
#include <string>

#include "common/unique_fd.h"

namespace tierhub::test {

class Disk {
 public:
  enum class Format { ext4, xfs };
  struct Options {
    uint64_t bytes = 512 << 20;
    Format format = Format::ext4;
    bool journal = true;        // of an ext4
    std::string mount_options;  // what mount -o takes of the file system's own
  };
  // Makes a file system in the new file `image` (sparse: it takes what is written to it) and mounts
  // it at `folder`, in the mount namespace of the test. Throws, saying what is missing, where that
  // cannot be done.
  Disk(std::string image, std::string folder, Options options);
  // Takes the mount away.
  ~Disk();
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  const std::string& folder() const { return folder_; }
  // All that was written becomes durable.
  void sync() const;
  // What is not durable is lost: the file system writes nothing any more, neither data nor journal,
  // and is taken away. The image holds what a disk would hold after a power cut.
  void cut_power();
  // Mounts the image again; the file system's own journal is replayed.
  void mount();
  void unmount();

 private:
  std::string image_;
  std::string folder_;
  Options options_;
  bool mounted_ = false;
};

// Where small images lie best: a file system in memory, mounted at `folder`.
void mount_memory(const std::string& folder, uint64_t bytes);

}  // namespace tierhub::test
