// Paths in the archive: relative to its root, which is "".
#pragma once

#include <string>

namespace tierhub {

inline std::string parent_path(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

// Either part may be the root.
inline std::string join_path(const std::string& folder, const std::string& name) {
  if (folder.empty() || name.empty()) return folder + name;
  return folder + "/" + name;
}

}  // namespace tierhub
