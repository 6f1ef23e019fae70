#include "faults.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <sstream>

namespace tierhub::slowfs {

bool Faults::Range::meets(const std::string& file, uint64_t offset, uint64_t size) const {
  return (name == "*" || name == file) && offset < end && offset + size > begin;
}

Faults Faults::read(const std::string& path) {
  Faults faults;
  if (path.empty()) return faults;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string fault;
    Range range;
    words >> fault;
    if (fault == "delay") {
      int64_t delay_ms = 0;
      words >> delay_ms;
      faults.delay_ = std::chrono::milliseconds(delay_ms);
    } else if (fault == "eio") {
      words >> range.name >> range.begin >> range.end;
      faults.unreadable_.push_back(range);
      faults.unwritable_.push_back(range);
    } else if (fault == "eio-write") {
      words >> range.name;
      range.end = UINT64_MAX;
      faults.unwritable_.push_back(range);
    } else if (fault == "flip") {
      words >> range.name >> range.begin;
      range.end = range.begin + 1;
      faults.flipped_.push_back(range);
    } else if (fault == "rate") {
      words >> faults.rate_;
    } else if (fault == "erofs") {
      faults.read_only_ = EROFS;
    } else if (fault == "enospc") {
      faults.full_ = ENOSPC;
    }
  }
  return faults;
}

int Faults::of_read(const std::string& name, uint64_t offset, uint64_t size) const {
  return std::any_of(unreadable_.begin(), unreadable_.end(),
                     [&](const Range& range) { return range.meets(name, offset, size); })
             ? EIO
             : 0;
}

int Faults::of_write(const std::string& name, uint64_t offset, uint64_t size) const {
  if (of_growth() != 0) return of_growth();
  return std::any_of(unwritable_.begin(), unwritable_.end(),
                     [&](const Range& range) { return range.meets(name, offset, size); })
             ? EIO
             : 0;
}

int Faults::of_sync(const std::string& name) const {
  return std::any_of(unwritable_.begin(), unwritable_.end(),
                     [&](const Range& range) { return range.name == "*" || range.name == name; })
             ? EIO
             : 0;
}

void Faults::damage(const std::string& name, uint64_t offset, char* bytes, uint64_t size) const {
  for (const Range& range : flipped_) {
    if (range.meets(name, offset, size)) bytes[range.begin - offset] ^= '\xff';
  }
}

}  // namespace tierhub::slowfs
