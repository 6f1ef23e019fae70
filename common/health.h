// What is wrong now, for `tierctl status`: each part of tierd reports its trouble in one sentence,
// and clears it when it is over.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/guarded.h"

namespace tierhub {

// Any thread.
class Health {
 public:
  // `part` names who says it, and sorts it.
  void set(std::string_view part, const std::string& sentence);
  void clear(std::string_view part);
  // Each with how long it has been so, the first first.
  std::vector<std::string> sentences() const;

 private:
  struct Trouble {
    std::string sentence;
    SteadyClock::time_point since;
  };
  mutable Guarded<std::map<std::string, Trouble, std::less<>>> troubles_;
};

Health& health();

}  // namespace tierhub
