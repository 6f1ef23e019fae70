// What is wrong now, for `tierctl status`: each part of tierd reports its trouble, and clears it
// when it is over.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/guarded.h"

namespace tierhub {

// The parts that report. The most serious trouble comes first, and is the summary of the status.
enum class HealthPart {
  catalog,
  archive,
  damage,  // of the archive's copies
  rot,     // of scratch
  scratch,
  publishing,
  nested_publishing,  // in a file system that is nested in the archive
};

struct Trouble {
  std::string what;    // names no file: everyone may read it
  std::string detail;  // for the administrator: which file, why, what to do

  std::string text() const { return what + ": " + detail; }
};

// Any thread.
class Health {
 public:
  // `instance`: which of several that the part reports of, each by itself.
  void set(HealthPart part, Trouble trouble, std::string_view instance = {});
  void clear(HealthPart part, std::string_view instance = {});
  // The most serious first; `detail` ends with how long it has been so.
  std::vector<Trouble> troubles() const;

 private:
  struct Reported {
    Trouble trouble;
    SteadyClock::time_point since;
  };
  using Key = std::pair<HealthPart, std::string>;
  mutable Guarded<std::map<Key, Reported>> reported_;
};

Health& health();

}  // namespace tierhub
