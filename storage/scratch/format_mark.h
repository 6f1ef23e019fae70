// Which on-disk layout a tier has: a file with a decimal number. None means 1, the first one.
#pragma once

#include <string>

#include "common/result.h"

namespace tierhub {

// Refuses what a newer TierHub made with errc::not_supported. `path` is below `folder_fd`; `what`
// is named in the error: "scratch in /ssd".
Result<void> check_format_mark(int folder_fd, const std::string& path, const std::string& what);

}  // namespace tierhub
