// libhdf5, as the files hdf5_* use it: one thread at a time, reading through a driver that takes
// all bytes from a FileTree. Nobody else includes this.
#pragma once

#define H5_USE_110_API

#include <cstdint>
#include <optional>
#include <utility>

#include <hdf5.h>

#include "common/mutex.h"
#include "formats/noted_tree.h"

namespace tierhub::formats {

// Held around every call of libhdf5, which is not to be called from two threads.
extern Mutex hdf5_mutex;

class [[nodiscard]] TIERHUB_LOCK_ATTRIBUTE(scoped_lockable) Hdf5Lock {
 public:
  // Also keeps the library from printing what fails in this thread.
  Hdf5Lock() ACQUIRE(hdf5_mutex);
  ~Hdf5Lock() RELEASE() { hdf5_mutex.unlock(); }
  Hdf5Lock(const Hdf5Lock&) = delete;
  Hdf5Lock& operator=(const Hdf5Lock&) = delete;
};

// Owns an identifier of the library. Its owner holds the mutex when it goes.
class Hdf5Id {
 public:
  using Close = herr_t (*)(hid_t);
  Hdf5Id() = default;
  Hdf5Id(hid_t id, Close close) : id_(id), close_(close) {}
  Hdf5Id(Hdf5Id&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Hdf5Id& operator=(Hdf5Id&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Hdf5Id() {
    if (id_ >= 0) close_(id_);
  }
  // False if the call that made it has failed.
  explicit operator bool() const { return id_ >= 0; }
  hid_t get() const { return id_; }

 private:
  hid_t id_ = -1;
  Close close_ = nullptr;
};

// Where the driver reads. Guarded by the mutex.
struct Hdf5Source {
  const FileTree* tree = nullptr;
  uint64_t size_bytes = 0;
  std::optional<Error> failure;  // the last of the tree
  // While this is set, nothing is read: the place of the bytes is kept instead.
  bool only_place = false;
  std::optional<std::pair<uint64_t, uint64_t>> place;  // offset and size in bytes
};

// The file of the tree, to be read only. `source` outlives it. Other files that the file names are
// never opened.
Hdf5Id open_through_driver(Hdf5Source& source) REQUIRES(hdf5_mutex);

}  // namespace tierhub::formats
