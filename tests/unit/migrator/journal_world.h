// Both tiers in temporary folders, a catalog in memory, and the file system and the journal between
// them, as in tierd but without threads: the tests say when a round runs, and when the process
// dies.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "catalog/catalog.h"
#include "fusefs/file_system.h"
#include "migrator/publish/publisher.h"
#include "migrator/scan/scanner.h"
#include "storage/posix/posix_archive.h"
#include "tests/support/temporary_directory.h"

namespace tierhub::test {

inline constexpr uint64_t kChunk = 4096;

// Throws the error's text, which fails a test that does not expect it.
template <class T>
T value_of(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

class JournalWorld {
 public:
  explicit JournalWorld(PosixArchive::RenameFlags rename_flags = PosixArchive::RenameFlags::probe);
  ~JournalWorld();

  // What people do in the mount. Paths are like "a/b".
  InodeNumber inode(const std::string& path);
  void make_folder(const std::string& path, uint32_t mode = 0755);
  // Makes or replaces the content, from `offset` on if the file exists and `offset` is not 0.
  void write(const std::string& path, const std::string& text);
  void write_at(const std::string& path, uint64_t offset_bytes, const std::string& text);
  void truncate(const std::string& path, uint64_t size_bytes);
  void rename(const std::string& from, const std::string& to, unsigned flags = 0);
  void link(const std::string& from, const std::string& to);
  void symlink(const std::string& target, const std::string& path);
  void remove(const std::string& path);         // a file
  void remove_folder(const std::string& path);  // an empty one
  void remove_tree(const std::string& path);
  void change_mode(const std::string& path, uint32_t mode);
  void set_mtime(const std::string& path, int64_t seconds);
  void set_xattr(const std::string& path, const std::string& name, const std::string& value);
  FileHandle open(const std::string& path, int flags);
  void close(InodeNumber inode, FileHandle handle) { file_system->release(inode, handle); }
  FileState state(const std::string& path);
  // Reads at most so many bytes from the start, also of what has no name any more; recalls them.
  std::string read_bytes(InodeNumber inode, uint64_t size_bytes);

  // What others do in the archive.
  std::string in_archive(const std::string& path) const { return archive_folder / path; }
  void write_in_archive(const std::string& path, const std::string& text);
  // In this folder even root can make nothing.
  void let_nothing_be_made_in_archive(const std::string& path);
  void let_be_made_in_archive(const std::string& path);

  // Each path with what a reader sees there: kind, mode, mtime, content or target, other names,
  // xattrs.
  std::map<std::string, std::string> namespace_tree();
  std::map<std::string, std::string> archive_tree();
  // Empty: both are equal.
  std::string difference();

  // A round without waiting for files to settle.
  void publish();
  // Rounds until the journal is empty; false if that takes more than 20 s.
  bool publish_to_the_end();
  size_t journal_keys();
  std::string parked_reason(const JournalKey& key);
  std::vector<std::string> staged();
  ScanCounts scan(Scanner::Removals removals = Scanner::Removals::guarded);
  Result<ScanCounts> try_scan(Scanner::Removals removals = Scanner::Removals::guarded);

  // The process dies and starts again. With power lost, what the catalog had not synced is gone.
  enum class Death { killed, power_lost };
  void restart(Death death = Death::killed);

  TemporaryDirectory scratch_folder;
  TemporaryDirectory archive_folder;
  Publisher::Options options;
  // Set: what is removed goes to a trash, from the next restart on.
  std::optional<Trash::Options> trash_options;
  std::unique_ptr<MemoryStore> store;  // keeps the data while the catalog is gone
  std::unique_ptr<Catalog> catalog;
  std::unique_ptr<InodeTable> inodes;
  std::unique_ptr<Scratch> scratch;
  std::unique_ptr<PosixArchive> archive;
  std::unique_ptr<FileSystem> file_system;
  std::unique_ptr<Trash> trash;
  TreeMutex tree_mutex;
  std::unique_ptr<Scanner> scanner;
  std::unique_ptr<Publisher> publisher;

 private:
  class Hooks final : public FileSystemHooks {
   public:
    explicit Hooks(JournalWorld& world) : world_(world) {}
    void recall(InodeNumber inode, ByteRange range, RecallReason reason,
                std::function<void(Result<Recalled>)> done) override;
    bool try_reserve(uint64_t) override { return true; }
    void settle(InodeNumber, uint64_t, uint64_t) override {}
    void wait_for_room(uint64_t, RequestNumber, std::function<void(Result<void>)> done) override {
      done({});
    }

   private:
    JournalWorld& world_;
  };
  void start();
  Result<void> recall(InodeNumber inode, ByteRange range);
  std::pair<InodeNumber, std::string> parent_and_name(const std::string& path);
  void add_to_tree(InodeNumber folder, const std::string& prefix,
                   std::map<std::string, std::string>& tree,
                   std::map<InodeNumber, std::string>& first_names);
  std::string read(InodeNumber inode, uint64_t size_bytes);
  PosixArchive::RenameFlags rename_flags_;
  Hooks hooks_{*this};
};

}  // namespace tierhub::test
