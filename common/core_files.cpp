#include "common/core_files.h"

#include <cerrno>

#include <sys/prctl.h>
#include <sys/resource.h>

namespace tierhub {

Result<void> forbid_core_files() {
  // The limit is not asked where core files go to a program; not being dumpable is.
  const rlimit none = {0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0) return Error::from_errno(errno, "forbid core files");
  if (::prctl(PR_SET_DUMPABLE, 0) != 0)
    return Error::from_errno(errno, "keep other processes from reading this one");
  return {};
}

}  // namespace tierhub
