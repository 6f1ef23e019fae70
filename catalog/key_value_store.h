// The ordered key-value store under the catalog: RocksDB in production, a map in memory for tests.
// Both pass the same contract suite.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace tierhub {

// The column families. Their names are on disk.
enum class Family : uint8_t {
  inode,
  dirent,
  link,
  xattr,
  residency,
  checksum,
  base,
  base_link,
  version,
  journal,
  intent,
  reap,
  unsynced,
  prefetch,
  lease,
  heat,
  run,
  meta,
  answer,
  departure,
};
inline constexpr std::array kFamilyNames = {
    "inode",     "dirent",  "link",    "xattr",  "residency", "checksum", "base",
    "base_link", "version", "journal", "intent", "reap",      "unsynced", "prefetch",
    "lease",     "heat",    "run",     "meta",   "answer",    "departure"};

// Changes that become visible, and durable, together or not at all.
class WriteSet {
 public:
  struct Change {
    Family family;
    std::string key;
    std::optional<std::string> value;  // none: erase
  };
  void put(Family family, std::string key, std::string value) {
    changes_.push_back({family, std::move(key), std::move(value)});
  }
  void erase(Family family, std::string key) {
    changes_.push_back({family, std::move(key), std::nullopt});
  }
  const std::vector<Change>& changes() const { return changes_; }
  bool empty() const { return changes_.empty(); }

 private:
  std::vector<Change> changes_;
};

// wal: in the log file before commit() returns; survives kill -9 of the process.
// synced: on the device before commit() returns; survives power loss.
enum class Durability { wal, synced };

class KeyValueStore {
 public:
  virtual ~KeyValueStore() = default;
  // All functions: any thread.
  virtual Result<std::optional<std::string>> get(Family family, std::string_view key) const = 0;
  // Calls `visit` for each key in [begin, end) in order, on one snapshot, until it returns false.
  // An empty `end` has no bound.
  virtual Result<void> scan(
      Family family, std::string_view begin, std::string_view end,
      const std::function<bool(std::string_view key, std::string_view value)>& visit) const = 0;
  struct NextKey {
    std::optional<std::string> key;
    bool too_far = false;  // without a key: the search was given up
  };
  // The first key of [begin, ...). Erased keys are passed one by one until RocksDB has compacted them
  // away: the search is given up behind `max_erased` of them. 0: never.
  virtual Result<NextKey> next_key(Family family, std::string_view begin,
                                   uint64_t max_erased) const = 0;
  // Changes of one set apply in order: a later change of the same key wins.
  virtual Result<void> commit(const WriteSet& changes, Durability durability) = 0;
  // Everything committed so far survives power loss when this returns. Callers at the same time
  // share one sync. After a failed sync nobody knows what is on the device: every later sync and
  // commit fails too. Stop the process.
  virtual Result<void> sync() = 0;
  // A copy of the store as it is now, in the new folder `path` of the same file system. Costs
  // hardly any room or time: what never changes is linked. errc::not_supported where there are no
  // files.
  virtual Result<void> checkpoint(const std::string& path) = 0;
};

struct RocksDbOptions {
  // read_only: the database must be there; nothing on disk is changed, and commit() fails.
  enum class Access { read_write, read_only };
  Access access = Access::read_write;
  // A file of this size is kept in `path`. When the disk is full it makes way, so that evictions
  // and deletions, which free room, can still be written down; it is taken back when the disk has
  // room again. Half of it is always left free. 0: no ballast, and no wall.
  uint64_t ballast_bytes = 256 << 20;
};

// `path` is made if it does not exist and may be written. A second process on the same path gets
// errc::device_or_resource_busy. open and commit get errc::no_space_on_device when the disk has no
// room and the ballast is gone: nothing of the commit is written, and it can be tried again. Any
// other failure to write is final, as one of sync() is.
Result<std::unique_ptr<KeyValueStore>> open_rocksdb_store(const std::string& path,
                                                          const RocksDbOptions& options = {});

// For tests. lose_power() forgets what was committed and never synced.
class MemoryStore : public KeyValueStore {
 public:
  static std::unique_ptr<MemoryStore> create();
  // A further handle on the same data, which lives as long as one of its handles: what a test
  // reopens after the catalog that owned the first handle is gone.
  virtual std::unique_ptr<MemoryStore> another_handle() = 0;
  virtual void lose_power() = 0;
};

}  // namespace tierhub
