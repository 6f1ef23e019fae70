// Decoded chunks that may be wanted again, bounded in bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "common/mutex.h"
#include "common/result.h"

namespace tierhub::pixels {

using Voxels = std::vector<std::byte>;

// Any thread.
class ChunkCache {
 public:
  explicit ChunkCache(uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  struct Key {
    uint64_t reader = 0;  // a number of its own for each that shares the cache
    uint64_t level = 0;
    uint64_t index = 0;
    uint64_t content = 0;  // what the files were like that it came from, where that is followed
    auto operator<=>(const Key&) const = default;
  };
  // The chunk, or what `decode` makes of it: called once, however many threads want it at the same
  // time. An error is not remembered. Null: the chunk is not stored.
  using Decode = std::function<Result<std::shared_ptr<const Voxels>>()>;
  Result<std::shared_ptr<const Voxels>> get(const Key& key, const Decode& decode);
  // The chunk if it is here; waits while another thread decodes it.
  std::shared_ptr<const Voxels> find(const Key& key);
  // True if get() would decode nothing and wait for nobody.
  bool has(const Key& key);

 private:
  // One chunk; the first thread that wants it decodes it under its mutex.
  struct Slot {
    Mutex mutex;
    bool is_decoded GUARDED_BY(mutex) = false;
    std::shared_ptr<const Voxels> voxels GUARDED_BY(mutex);
    uint64_t bytes = 0;  // guarded by the cache's mutex
  };
  using Slots = std::list<std::pair<Key, std::shared_ptr<Slot>>>;

  std::shared_ptr<Slot> slot_of(const Key& key);
  // Null if there is none.
  std::shared_ptr<Slot> known_slot(const Key& key);
  void count(const Key& key, const std::shared_ptr<Slot>& slot, uint64_t bytes);
  void forget(const Key& key, const std::shared_ptr<Slot>& slot);

  const uint64_t limit_bytes_;
  Mutex mutex_;
  Slots recent_ GUARDED_BY(mutex_);
  std::map<Key, Slots::iterator> by_key_ GUARDED_BY(mutex_);
  uint64_t bytes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace tierhub::pixels
