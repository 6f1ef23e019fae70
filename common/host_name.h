// What this machine calls itself.
#pragma once

#include <array>
#include <string>

#include <unistd.h>

namespace tierhub {

// Empty if it has no name. Any thread.
inline std::string name_of_this_host() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

}  // namespace tierhub
