// A file that only occupies room, and gives it back when a disk is full.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "common/mutex.h"

namespace tierhub {

// Any thread.
class Ballast {
 public:
  // Nothing is done before arm().
  Ballast(std::string path, uint64_t size_bytes)
      : path_(std::move(path)), size_bytes_(size_bytes) {}

  // Takes the room, if the disk keeps at least as much free beside it. Does nothing if it holds the
  // room already. Answers whether it does now.
  bool arm();
  // Gives the room back. Answers whether there was any.
  bool release();
  bool armed() const { return armed_; }

 private:
  bool take() REQUIRES(mutex_);

  const std::string path_;
  const uint64_t size_bytes_;
  Mutex mutex_;  // arm() and release() take turns
  std::atomic<bool> armed_{false};
};

}  // namespace tierhub
