// How file contents travel between scratch and programs.
#pragma once

#include <string>

namespace tierhub {

struct DataPath {
  std::string name;    // "passthrough" or "splice"
  std::string reason;  // a sentence: why not passthrough; empty with passthrough
};

}  // namespace tierhub
