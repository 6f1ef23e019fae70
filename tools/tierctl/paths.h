// Converts what people type into the paths that tierd understands.
#pragma once

#include <string>
#include <vector>

#include "api/client.h"
#include "common/result.h"

namespace tierhub::tierctl {

// A relative path is one in the current folder. A path that leads into the mount through symbolic
// links becomes the one in the mount. Any other absolute path is left to tierd, which takes it for
// one of the namespace. Asks tierd where the mount is, but only if links are on the way.
Result<std::vector<std::string>> resolve_paths(const api::Client& client,
                                               const std::vector<std::string>& paths);

// The current folder if it is in the mount, else the namespace's root.
Result<std::string> usual_folder(const api::Client& client);

// True if `path` is `folder` or below it; both absolute and normal.
bool is_within(const std::string& path, const std::string& folder);

}  // namespace tierhub::tierctl
