// libhdf5, as the files hdf5_parser* use it: in a process of its own with one thread, through a
// driver that takes all bytes from a source. Nobody else includes this.
#pragma once

#define H5_USE_110_API

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <hdf5.h>

namespace tierhub::formats {

// Owns an identifier of the library.
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

// The bytes of a file.
struct Hdf5Source {
  std::string path;  // for texts
  uint64_t size_bytes = 0;
  // Fills the buffer with what is at the offset; false if that is not possible.
  std::function<bool(uint64_t offset_bytes, std::span<std::byte> buffer)> read;
  // While this is set, nothing is read: the place of the bytes is kept instead.
  bool only_place = false;
  std::optional<std::pair<uint64_t, uint64_t>> place;  // offset and size in bytes
};

// The file of the source, to be read only. `source` outlives it. Other files that the file names
// are never opened.
Hdf5Id open_through_driver(Hdf5Source& source);

}  // namespace tierhub::formats
