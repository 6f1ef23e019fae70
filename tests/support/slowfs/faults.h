// What a fault file asks for. It is read at every request, so a test switches faults while the file
// system is in use. One line a fault:
//   delay MS              every request takes so long
//   eio NAME BEGIN END    reading or writing these bytes of the files called NAME (* is any) fails
//   eio-write NAME        writing and syncing files called NAME fails; what was written is dropped
//   flip NAME OFFSET      reading gives this byte inverted
//   rate BYTES            what is read and written, all together, is so many bytes a second
//   erofs                 the file system is read-only
//   enospc                it is full
// No file, or an empty one: no faults.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tierhub::slowfs {

class Faults {
 public:
  static Faults read(const std::string& path);

  // Each answers 0 or an errno value.
  int of_read(const std::string& name, uint64_t offset, uint64_t size) const;
  int of_write(const std::string& name, uint64_t offset, uint64_t size) const;
  int of_sync(const std::string& name) const;
  int of_change() const { return read_only_ ? read_only_ : 0; }
  int of_growth() const { return read_only_ ? read_only_ : full_; }
  std::optional<std::chrono::milliseconds> delay() const { return delay_; }
  // Bytes a second; 0: as fast as it goes.
  uint64_t rate() const { return rate_; }
  // Damages what was read.
  void damage(const std::string& name, uint64_t offset, char* bytes, uint64_t size) const;

 private:
  struct Range {
    std::string name;
    uint64_t begin = 0;
    uint64_t end = 0;
    bool meets(const std::string& file, uint64_t offset, uint64_t size) const;
  };
  std::vector<Range> unreadable_;
  std::vector<Range> unwritable_;
  std::vector<Range> flipped_;
  std::optional<std::chrono::milliseconds> delay_;
  uint64_t rate_ = 0;
  int read_only_ = 0;
  int full_ = 0;
};

}  // namespace tierhub::slowfs
