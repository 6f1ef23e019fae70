// A whole tier in one process, without a mount and without threads of its own pace: catalog,
// scratch, archive, file system, mover, publisher, evictor. The tests drive it by hand. Reopening
// it without closing is what kill -9 leaves.
#pragma once

#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "catalog/key_value_store.h"
#include "fusefs/file_system.h"
#include "inodes/inode_table.h"
#include "migrator/evict/capacity.h"
#include "migrator/evict/evictor.h"
#include "migrator/fill/mover.h"
#include "migrator/prefetch/prefetcher.h"
#include "migrator/publish/publisher.h"
#include "migrator/publish/trash.h"
#include "migrator/scan/scanner.h"
#include "storage/posix/posix_archive.h"
#include "storage/scratch/scratch.h"

namespace tierhub::test {

// Throws the error's text, which fails a test that does not expect it.
template <class T>
T value_of(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

// Bytes in memory as the source of a write.
class BytesSource final : public WriteSource {
 public:
  explicit BytesSource(std::string bytes) : bytes_(std::move(bytes)) {}
  uint64_t size_bytes() const override { return bytes_.size(); }
  Result<void> detach() override { return {}; }
  Result<size_t> copy_to(int fd, uint64_t offset_bytes) override;

 private:
  std::string bytes_;
};

// Without a thread: publish() runs the rounds.
inline Publisher::Options published_by_hand() {
  Publisher::Options options;
  options.lanes = 2;
  options.threading = Publisher::Options::Threading::none;
  return options;
}

class LocalTier : private FileSystemHooks {
 public:
  struct Options {
    uint64_t chunk_bytes = 4096;
    uint64_t capacity_bytes = 0;
    std::string boot_id = {};  // another one than the last time: the power was lost in between
    // Holds the catalog, and scratch is not looked through at start; none: RocksDB in `state`.
    MemoryStore* memory = nullptr;
    PosixArchive::Options archive = {};
    Publisher::Options publisher = published_by_hand();
    std::optional<Trash::Options> trash = {};  // none: what is removed is deleted
  };
  // `folder` gets `archive`, `scratch` and `state`; what is there is opened. Recovers, as tierd
  // does at start.
  LocalTier(const std::string& folder, const Options& options);
  ~LocalTier() override;

  // As the constructor and the destructor do, with what `options` says now.
  void start();
  void stop();

  // Runs rounds until nothing is left or nothing moves any more; returns the keys that are left.
  uint64_t publish();
  uint64_t scan_added();

  // The file system's calls with their callbacks waited for.
  Result<Opened> open(InodeNumber inode, int flags);
  Result<std::string> read(InodeNumber inode, uint64_t offset_bytes, uint64_t size_bytes);
  Result<size_t> write(InodeNumber inode, FileHandle handle, uint64_t offset_bytes,
                       std::string bytes);
  Result<NodeInfo> setattr(InodeNumber inode, const AttributeChange& change);
  Result<void> fallocate(InodeNumber inode, int mode, uint64_t offset_bytes, uint64_t length_bytes);
  Result<void> prefetch(InodeNumber inode);
  Result<Eviction> evict(InodeNumber inode);

  const std::string own_folder;
  const std::string archive_folder;
  Options options;
  std::unique_ptr<PosixArchive> archive;
  std::unique_ptr<Catalog> catalog;
  std::unique_ptr<Scratch> scratch;
  std::unique_ptr<InodeTable> inodes;
  std::unique_ptr<Capacity> capacity;
  std::unique_ptr<Evictor> evictor;
  std::unique_ptr<Mover> mover;
  std::unique_ptr<Trash> trash;
  TreeMutex tree_mutex;
  std::unique_ptr<Scanner> scanner;
  std::unique_ptr<Publisher> publisher;
  std::unique_ptr<FileSystem> fs;

 private:
  void recover_scratch();
  void recall(InodeNumber inode, ByteRange range, RecallReason reason,
              std::function<void(Result<Recalled>)> done) override;
  void read_ahead(InodeNumber inode, uint64_t from_bytes, uint64_t stream_bytes) override;
  bool try_reserve(uint64_t bytes) override;
  void settle(InodeNumber inode, uint64_t reserved_bytes, uint64_t written_bytes) override;
  void wait_for_room(uint64_t bytes, RequestNumber request,
                     std::function<void(Result<void>)> done) override;
  void writing(InodeNumber inode) override;
};

}  // namespace tierhub::test
