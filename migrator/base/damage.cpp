#include "migrator/base/damage.h"

#include <fmt/format.h>

#include "common/health.h"
#include "common/log.h"
#include "common/metrics.h"

namespace tierhub {

Error damaged_copy(std::errc code, const std::string& path, uint64_t chunk) {
  metrics().damaged_chunks.add();
  health().set(HealthPart::damage,
               {"the archive's copy of a file is damaged",
                fmt::format("'{}' (chunk {}; {} such reads so far); restore it from a backup, then "
                            "run `tierctl scan`",
                            path, chunk, metrics().damaged_chunks.value())});
  log::error("the archive's copy is damaged: it does not match its recorded checksum",
             {{"path", path}, {"chunk", chunk}});
  return Error(
      code,
      fmt::format(
          "the archive's copy of '{}' is damaged: chunk {} does not match its recorded checksum",
          path, chunk));
}

void note_rotten_chunk(const std::string& path, uint64_t chunk) {
  metrics().rotten_chunks.add();
  health().set(HealthPart::rot,
               {"scratch returned different bytes than were written to it",
                fmt::format("'{}' (chunk {}; {} such chunks so far); the archive's copy was used "
                            "instead: check the SSD",
                            path, chunk, metrics().rotten_chunks.value())});
  log::error("a chunk in scratch does not match its recorded checksum: using the archive's copy",
             {{"path", path}, {"chunk", chunk}});
}

}  // namespace tierhub
