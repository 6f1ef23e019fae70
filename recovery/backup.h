// Backups of the catalog in the archive, for the day when the state disk dies. They hold what
// neither tier knows: extended attributes, links and special files that were not published yet, and
// pins.
//
// In `.tierhub/catalog-backups/`:
//   table-<number>-<bytes>-<hash>   a table of the catalog; never changes, and is shared by backups
//   <time>-<name>                   the other files of one backup
//   <time>.backup                   its index: the backup exists once this exists
//
//   1. A checkpoint of the catalog on its own disk: made of links, so it costs nothing, blocks
//      nobody, and does not change.
//   2. What the archive does not have yet is staged and placed by the archive helper, file by file,
//      no faster than the options allow.
//   3. Everything is synced; then the index is placed, and the time noted.
//   4. Backups beyond those to keep are removed: the index first, then what no index names.
// A failure at any step leaves files without an index, which step 4 of the next backup removes. An
// archive that hangs delays this thread, and nobody else.
#pragma once

#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "catalog/catalog.h"
#include "common/mutex.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "storage/archive/archive.h"

namespace tierhub::recovery {

inline constexpr const char* kBackupFolder = ".tierhub/catalog-backups";

class CatalogBackups {
 public:
  struct Options {
    std::string state;          // the folder that holds `catalog`
    double interval_s = 86400;  // 0: none are made
    size_t keep = 7;
    uint64_t bytes_per_s = 64 << 20;
  };
  CatalogBackups(Catalog& catalog, Archive& archive, Options options);
  ~CatalogBackups() { stop(); }

  void start();
  void stop();
  // Makes one now, on the calling thread.
  Result<void> run(const std::stop_token& stop);
  // At the end of the process, after stop(): makes one if the last one is not of the last hour or
  // so.
  Result<void> run_at_end();

 private:
  void loop(const std::stop_token& stop);
  Result<Timestamp> last() const;
  Result<void> copy(const std::string& folder, const std::stop_token& stop);
  Result<void> store(const std::string& name, int fd);
  Result<void> store_index(const std::string& name, const std::string& text);
  Result<void> purge();
  Result<void> remove(const std::string& name, const ArchiveVersion& version);
  void pause(uint64_t bytes, const std::stop_token& stop);

  Catalog& catalog_;
  Archive& archive_;
  const Options options_;
  const Timestamp started_ = Timestamp::now();
  Mutex mutex_;
  StoppableConditionVariable woken_;  // only by the end
  std::jthread thread_;
};

// The files in kBackupFolder, by name; empty if it is not there.
Result<std::map<std::string, ArchiveVersion>> backup_files(Archive& archive);
// Brings the newest backup that is whole into `folder`, which is made; returns its name. none:
// there is none.
Result<std::optional<std::string>> fetch_backup(Archive& archive, const std::string& folder);

}  // namespace tierhub::recovery
