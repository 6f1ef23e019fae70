// The file systems mounted below the root of an archive that this process has seen.
//
// Each one that is writable gets a `.tierhub` at its top: made when it is first seen, empty until
// `file-system` exists in it, the mark with the id of the file system and of the archive. A folder
// of that name without the mark belongs to somebody else: it is left alone, and nothing is
// published into that file system. `.tierhub/nested/<id>` at the archive's root remembers where
// each was, for lookups by id.
//
// Nothing in a nested file system is held open: it can be unmounted at any time. So every act there
// opens it anew and makes sure, by mount and mark, that it is the right one.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/mutex.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "storage/archive/capabilities.h"
#include "storage/archive/entry.h"
#include "storage/archive/file_system_id.h"
#include "storage/posix/archive_root.h"

namespace tierhub {

struct ArchiveFileSystem {
  FileSystemId id;  // empty: the root's
  std::string top;  // path of its topmost folder in the archive
  MountKey key;
  ArchiveCapabilities capabilities;
  // A `.tierhub` of TierHub's own stands at its top; nobody else gets to see that.
  bool has_private_folder = false;
  // Why nothing can be made in it.
  std::optional<Error> unusable;

  IdentityScheme scheme() const {
    // Overlays show files with the devices of their layers.
    const bool one_device = !id.empty() && capabilities.file_system != "overlay";
    return {capabilities.identity, id, one_device ? key.device : uint64_t{0},
            capabilities.lasting_ctime ? IdentityScheme::Ctime::lasting
                                       : IdentityScheme::Ctime::unreliable};
  }
};
using FileSystemPointer = std::shared_ptr<const ArchiveFileSystem>;

// Whether a folder `.tierhub` in `parent_fd` has the mark of one at the top of a file system.
bool is_marked_private_folder(int parent_fd);

class NestedFileSystems {
 public:
  // `clone`: in place of what a probe finds.
  explicit NestedFileSystems(std::optional<CloneMethod> clone) : clone_(clone) {}

  // All functions: any thread; they block as the file systems do.

  // The nested file system of an open folder, whose stat is `found`, at `path`.
  Result<FileSystemPointer> at(const ArchiveRoot& root, const std::string& path,
                               const struct statx& found);
  // By its id. errc::no_such_device: it is not mounted where it was last.
  Result<FileSystemPointer> find(const ArchiveRoot& root, const FileSystemId& id);
  // The topmost folder, opened anew. errc::no_such_device as above.
  struct Opened {
    UniqueFd folder;
    FileSystemPointer file_system;
  };
  Result<Opened> open_top(const ArchiveRoot& root, const FileSystemId& id);
  // `.tierhub/<folder>` of it, as above.
  Result<Opened> open_private(const ArchiveRoot& root, const FileSystemId& id,
                              const std::string& folder);
  // A folder was renamed, and what is mounted below it with it.
  void moved(const ArchiveRoot& root, const std::string& from, const std::string& to);
  // All that are mounted and have been seen, by this process or by an earlier one.
  Result<std::vector<FileSystemPointer>> mounted(const ArchiveRoot& root);

 private:
  Result<std::string> top_of(const ArchiveRoot& root, const std::string& path,
                             const MountKey& key) const;
  std::shared_ptr<Mutex> learning_of(const MountKey& key);
  Result<FileSystemPointer> get_to_know(const ArchiveRoot& root, const std::string& path,
                                        const MountKey& key);
  void forget(const FileSystemId& id);

  const std::optional<CloneMethod> clone_;
  mutable Mutex mutex_;
  // By device. Held while one is looked at for the first time, for as long as that takes: two who
  // come across it at once must not both make its mark. Whoever waits would wait for the same file
  // system anyway. Taken before mutex_.
  std::map<uint64_t, std::shared_ptr<Mutex>> learning_ GUARDED_BY(mutex_);
  struct Known {
    FileSystemPointer file_system;
    SteadyClock::time_point since;
  };
  std::map<MountKey, Known> known_ GUARDED_BY(mutex_);
};

}  // namespace tierhub
