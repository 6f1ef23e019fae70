// Finds what callers mean by a path, as the kernel would: every folder on the way must let them
// through.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "api/messages.h"
#include "catalog/catalog.h"
#include "common/result.h"

namespace tierhub {

enum class Access : uint32_t { read = 4, write = 2, traverse = 1 };

// What the mode bits allow, as the kernel decides: root may do everything here, then owner, group,
// others.
bool may(const api::Caller& caller, const Attributes& attributes, Access access);

struct FoundNode {
  InodeNumber inode;
  InodeRecord record;
  std::string path;  // in the namespace
};

class NamespaceWalk {
 public:
  // `mount`: absolute paths below it mean the same as paths of the namespace.
  NamespaceWalk(const Catalog& catalog, std::string mount)
      : catalog_(catalog), mount_(std::move(mount)) {}

  // "/a/b" in the namespace, or the same below the mount. Symbolic links are not followed.
  Result<FoundNode> resolve(const api::Caller& caller, const std::string& path) const;
  // The namespace path that a given path means: absolute, no "." or "..", no slash at the end but
  // for the root.
  Result<std::string> normalise(const std::string& path) const;

  // Visits `start` and, if it is a folder, all below it, each folder before its entries, in the
  // order of names in the catalog. A folder that the caller cannot read is an error that names it.
  // `visit` returns false to stop.
  Result<void> walk(const api::Caller& caller, const FoundNode& start,
                    const std::function<Result<bool>(const FoundNode&)>& visit) const;
  // The same for the entries of one folder alone; of a file: the file itself.
  Result<void> children(const api::Caller& caller, const FoundNode& folder,
                        const std::function<Result<bool>(const FoundNode&)>& visit) const;

 private:
  Result<std::vector<FoundNode>> read_folder(const api::Caller& caller,
                                             const FoundNode& folder) const;
  const Catalog& catalog_;
  std::string mount_;
};

}  // namespace tierhub
