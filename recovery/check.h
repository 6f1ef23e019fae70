// Searches a catalog and its objects for what TierHub never writes. It streams: its memory grows
// with the damage, not with the catalog. It changes nothing.
//
// The passes, in order; later passes do not judge an inode that an earlier one found wrong, so that
// one damage is one finding, and what it hid shows after its repair:
//   1. every record can be read;
//   2. names: entries and links, base and its links;
//   3. inodes: names, counts, ranges, their objects;
//   4. records without an owner;
//   5. objects against records and tags;
//   6. if asked for: bytes, and the archive.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "catalog/key_value_store.h"
#include "common/result.h"
#include "recovery/finding.h"
#include "recovery/view.h"
#include "storage/archive/archive.h"
#include "storage/scratch/scratch.h"

namespace tierhub::recovery {

struct CheckOptions {
  // Compare clean chunks with the checksums on record.
  enum class Data { trust, read } data = Data::trust;
  // How tierd ended: by the catalog's mark, unless whoever opened the catalog has taken it away.
  enum class Ended { as_marked, well } ended = Ended::as_marked;
  // Inode numbers are given out since the catalog was opened: the noted end is not theirs.
  enum class Numbers { as_noted, given_out_since } numbers = Numbers::as_noted;
  // Not null: compare the archive's files with the versions on record.
  Archive* archive = nullptr;
  // `pass` and how many records it has seen; called now and then.
  std::function<void(std::string_view pass, uint64_t records)> progress;
};

class Checker {
 public:
  using Sink = std::function<void(Finding)>;
  Checker(const KeyValueStore& store, const Scratch& scratch, const CheckOptions& options,
          Sink sink);

  // An Error is one of the disk or the archive, never a finding.
  Result<void> run();

 private:
  // A file's record with what the catalog says of its bytes.
  struct FileState {
    InodeNumber inode;
    InodeRecord record;
    std::vector<IntervalSet::Interval> clean;
    std::vector<IntervalSet::Interval> dirty;
    std::optional<ArchiveVersion> version;
    bool has_new_bytes() const;
    // All that counts can be fetched again.
    bool in_archive() const { return record.archived && version.has_value(); }
  };

  // check.cpp
  Result<void> check_records();
  Result<void> check_meta();
  Result<void> report(FindingCode code, InodeNumber inode, std::string detail, Remedy remedy,
                      Batch fix = {}, uint64_t chunk = 0);
  void tick(std::string_view pass);
  bool is_blamed(InodeNumber inode) const { return blamed_.contains(inode); }
  // check_names.cpp
  Result<void> check_entries();
  Result<void> check_entry(const Name& name, uint64_t cookie, std::string_view key,
                           InodeNumber child);
  Result<bool> check_parent(InodeNumber parent, const Name& name, InodeNumber child);
  Result<void> check_links();
  Result<void> check_link(const Name& name, InodeNumber inode, std::string_view key);
  Result<void> check_base();
  Result<void> check_base_entry(const Name& name, const BaseRecord& record);
  Result<void> check_base_link(const Name& name, InodeNumber inode, std::string_view key);
  Result<void> check_inode(InodeNumber inode, const InodeRecord& record);
  Result<void> check_names_of_file(InodeNumber inode, const InodeRecord& record);
  Result<void> check_folder(InodeNumber inode, const InodeRecord& record);
  Result<uint32_t> folder_links(InodeNumber folder);
  Result<void> check_inodes();
  // check_owners.cpp
  Result<void> check_owners();
  Result<void> check_owned(Family family);
  Result<void> check_versions();
  Result<void> check_journal();
  Result<void> check_reaps();
  Result<void> check_prefetches();
  // check_content.cpp
  Result<void> check_file(InodeNumber inode, const InodeRecord& record);
  Result<bool> check_ranges(const FileState& file);
  Result<bool> check_archived(const FileState& file);
  Result<void> check_object(const FileState& file);
  Result<void> check_missing_object(const FileState& file);
  Result<void> check_size(const FileState& file, uint64_t object_bytes);
  Result<void> check_tag(const FileState& file, int object_fd);
  Result<void> check_data(const FileState& file, int object_fd);
  Result<void> check_chunk(const FileState& file, int object_fd, uint64_t chunk,
                           const Checksum& expected);
  Result<void> check_objects();
  Result<void> check_archive();

  const View view_;
  const Scratch& scratch_;
  const CheckOptions options_;
  const Sink sink_;
  uint64_t chunk_bytes_ = 0;
  bool clean_stop_ = false;
  std::unordered_set<InodeNumber> set_aside_;  // objects in reap/
  std::unordered_set<InodeNumber> blamed_;
  InodeNumber known_parent_;  // of the last entry: it is a folder
  uint64_t seen_ = 0;
};

// What the catalog's meta says that a check or a rebuild needs.
struct CatalogMeta {
  uint64_t chunk_bytes = 0;
  uint64_t inode_end = 0;   // of the numbers that are reserved
  uint64_t inode_next = 0;  // the first that was not given out; only after a clean stop
  bool clean_stop = false;
  std::string archive_id;
};
// none: it cannot be read.
Result<std::optional<CatalogMeta>> read_meta(const View& view);

}  // namespace tierhub::recovery
