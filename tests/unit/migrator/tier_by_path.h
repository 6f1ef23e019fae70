// A tier that tests change by path, on both sides, and compare with its archive. The catalog is in
// memory: the tests say when a round runs, and when the process dies.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/local_tier.h"
#include "tests/support/temporary_directory.h"

namespace tierhub::test {

inline constexpr uint64_t kChunk = 4096;

namespace detail {

// Made before the tier, which is in them.
struct Places {
  TemporaryDirectory place;
  std::unique_ptr<MemoryStore> store = MemoryStore::create();
};

}  // namespace detail

class TierByPath : private detail::Places, public LocalTier {
 public:
  explicit TierByPath(PosixArchive::RenameFlags rename_flags = PosixArchive::RenameFlags::probe);

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
  void close(InodeNumber inode, FileHandle handle) { fs->release(inode, handle); }
  FileState state(const std::string& path);
  // Reads at most so many bytes from the start, also of what has no name any more; recalls them.
  std::string read_bytes(InodeNumber inode, uint64_t size_bytes);

  // What others do in the archive.
  std::string in_archive(const std::string& path) const { return archive_folder + "/" + path; }
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

  // The process dies and starts again, with what `options` says now. With power lost, what the catalog had not synced is gone.
  enum class Death { killed, power_lost };
  void restart(Death death = Death::killed);

 private:
  std::pair<InodeNumber, std::string> parent_and_name(const std::string& path);
  void add_to_tree(InodeNumber folder, const std::string& prefix,
                   std::map<std::string, std::string>& tree,
                   std::map<InodeNumber, std::string>& first_names);
};

}  // namespace tierhub::test
