// What users remove is kept in the archive for some days and can be restored: in
// `.tierhub/trash/<day>/`, under the path that it had, with owner, mode, times, extended attributes
// and hard links. A path that was removed again on the same day goes to `<day>.2`, and so on; the
// 1,001st time to "name (removed N)". The folder `unnamed/` takes what would have too long a path,
// or whose path nobody knows, in the same way. Days are in UTC. Folders that were only needed on
// the way have mode 0700 and the mark kOnTheWay until the folder that had the path is removed
// itself.
//
// Taking something into the trash is the last step of its removal, before the removal is committed
// (one more rename within the archive): killed before it, the recovery does it; killed after it, it
// is done. Restoring something is one rename that replaces nothing; a check of the folder then
// imports it. Killed in between, the next scan does.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "catalog/catalog.h"
#include "common/guarded.h"
#include "common/result.h"
#include "storage/archive/archive.h"

namespace tierhub {

class Trash {
 public:
  struct Options {
    double days = 7;        // 0: nothing is kept
    bool replaced = false;  // old versions, too: of files that were overwritten or replaced
    // With less free space in the archive than the smaller of these the oldest days go first.
    uint64_t keep_free_bytes = 0;
    double keep_free_percent = 5;  // of the archive's size
    double tick_s = 60;
    // A path that is removed more often on one day goes under a name of its own.
    int most_days_of_a_path = 1000;
  };
  Trash(Catalog& catalog, Archive& archive, const Options& options);
  ~Trash() { stop(); }

  // The thread that deletes what is too old, a few files at a time.
  void start();
  void stop();

  bool takes_removed() const { return options_.days > 0; }
  bool takes_replaced() const { return takes_removed() && options_.replaced; }
  // What rests in staging as `leaf` stood at `path`. Fails with a conflict if it is not `version`
  // any more; on any failure it rests where it was. Any thread.
  Result<void> take(const std::string& leaf, const ArchiveVersion& version,
                    const std::string& path);
  // Folders in which something was put since the last call: to be synced.
  std::vector<std::string> take_touched();

  struct Item {
    std::string day;   // "2026-11-22", "2026-11-22.2"
    std::string path;  // that it had, below the archive's root
    ArchiveVersion version;
  };
  // What lies at `path` or below it ("": all), each folder before what is in it, newest day first;
  // until `visit` returns false. Folders on the way are left out.
  Result<void> visit(const std::string& path, const std::function<bool(const Item&)>& visit);

  struct Restored {
    uint64_t entries = 0;           // each renamed, with all below it
    std::set<std::string> folders;  // of the archive, in which they are now
  };
  // Moves what was removed at `path` to `target`; a folder that stands there gets the content. Of
  // several days the newest wins. errc::no_such_file_or_directory: there is nothing, or nowhere to
  // put it; errc::file_exists: something has the name.
  Result<Restored> restore(const std::string& path, const std::string& target);
  // Deletes what lies at `path` or below it for longer than `seconds`. Returns how many entries.
  Result<uint64_t> purge(const std::string& path, double seconds);

 private:
  Result<std::vector<std::string>> days();  // newest first
  Result<void> visit_below(const std::string& day, const std::string& path,
                           const ArchiveVersion& version,
                           const std::function<bool(const Item&)>& visit, bool& go_on);
  Result<std::vector<ArchiveChild>> children(const std::string& path);
  Result<bool> try_days(const std::string& leaf, const ArchiveVersion& version,
                        const std::string& day, const std::string& path);
  Result<bool> try_take(const std::string& leaf, const ArchiveVersion& version,
                        const std::string& day, const std::string& path);
  Result<void> make_folders(const std::string& path);
  Result<void> make_folder(const std::string& path);
  Result<void> restore_one(const std::string& source, const std::string& target, Restored& restored,
                           std::optional<Error>& taken);
  Result<void> remove_tree(const std::string& path, const ArchiveVersion& version,
                           uint64_t& entries);
  Result<void> remove_entry(const std::string& path, const ArchiveVersion& version);
  void run(const std::stop_token& stop);
  Result<void> tidy();
  Result<void> keep_free(const FileSystemId& file_system);
  Result<std::string> new_leaf(const FileSystemId& file_system);

  Catalog& catalog_;
  Archive& archive_;
  const Options options_;
  Guarded<std::set<std::string>> made_;  // folders known to stand
  Guarded<std::set<std::string>> touched_;
  std::atomic<bool> stopping_{false};
  std::jthread thread_;
};

}  // namespace tierhub
