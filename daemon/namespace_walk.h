// Resolves the paths that callers give, as the kernel would: every folder on the way must let them
// pass.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "api/messages.h"
#include "catalog/catalog.h"
#include "common/result.h"
#include "daemon/access.h"

namespace tierhub {

struct FoundNode {
  InodeNumber inode;
  InodeRecord record;
  std::string path;  // in the namespace, without a symbolic link in it
};

class NamespaceWalk {
 public:
  // `mount`: absolute paths below it mean the same as paths of the namespace.
  NamespaceWalk(const Catalog& catalog, std::string mount)
      : catalog_(catalog), mount_(std::move(mount)) {}

  // "/a/b" of "/a" and "b".
  static std::string child_path(const std::string& folder, const std::string& name);

  // "/a/b" in the namespace, or the same below the mount. Symbolic links are followed as long as
  // they stay in the namespace; one that leads out of it is errc::cross_device_link. Errors are
  // those of stat(2).
  Result<FoundNode> resolve(const api::Caller& caller, const std::string& path) const;

  // The same for the many paths of one request of one caller, of which most are in the folder of the
  // one before: that folder is not resolved again.
  class Nearby {
   public:
    Nearby(const NamespaceWalk& walk, const api::Caller& caller) : walk_(walk), caller_(caller) {}
    Result<FoundNode> resolve(const std::string& path);

   private:
    const NamespaceWalk& walk_;
    const api::Caller& caller_;
    std::string text_;                 // of the folder that was resolved last, with the slash
    std::optional<FoundNode> folder_;  // that it led to, if the caller may pass it
  };

  // Visits `start` and, if it is a folder, all below it: each folder before its entries, those in
  // the order of their names in the catalog. Not empty, `after` is the path of a node visited
  // before, or one that stood there: only what comes behind it is visited. A folder that the caller
  // cannot read is an error that names it. `visit` returns false to stop. Memory grows with the
  // depth only.
  using Visit = std::function<Result<bool>(const FoundNode&)>;
  Result<void> walk(const api::Caller& caller, const FoundNode& start, const std::string& after,
                    const Visit& visit) const;
  // The same for the entries of one folder alone; of a file: the file itself.
  Result<void> children(const api::Caller& caller, const FoundNode& folder,
                        const std::string& after, const Visit& visit) const;

  Result<bool> may(const api::Caller& caller, const FoundNode& node, Access access) const;

 private:
  class Resolver;
  struct Level;
  Result<Level> open_folder(const api::Caller& caller, FoundNode folder) const;
  // `path` without the mount in front of it.
  std::string_view below_mount(std::string_view path) const;
  Result<std::vector<Level>> levels_to(const api::Caller& caller, const FoundNode& start,
                                       const std::string& after) const;
  Result<std::optional<FoundNode>> next_of(Level& level) const;
  Result<std::optional<FoundNode>> child_of(const FoundNode& folder, const std::string& name) const;

  const Catalog& catalog_;
  std::string mount_;
};

}  // namespace tierhub
