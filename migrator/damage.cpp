#include "migrator/damage.h"

#include <fmt/format.h>

#include "common/health.h"
#include "common/log.h"
#include "common/metrics.h"

namespace tierhub {

Error damaged_copy(std::errc code, const std::string& path, uint64_t chunk) {
  metrics().damaged_chunks.add();
  health().set("2 damage",
               fmt::format("the archive's copy of a file is damaged: '{}' (chunk {}; {} such reads "
                           "so far); restore it from a backup, then tierctl scan",
                           path, chunk, metrics().damaged_chunks.value()));
  log::error("the archive's copy is damaged: its bytes are not those that were recorded",
             {{"path", path}, {"chunk", chunk}});
  return Error(code, fmt::format("the archive's copy of '{}' is damaged: chunk {} has another "
                                 "checksum than was recorded",
                                 path, chunk));
}

}  // namespace tierhub
