// The catalog: what exists in the namespace, where its bytes are, and what the archive was like
// when TierHub last changed it. Typed records over a KeyValueStore. It enforces no rules: callers
// compose batches that keep the invariants, under the locks of InodeTable.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catalog/key_value_store.h"
#include "catalog/records.h"
#include "common/guarded.h"
#include "common/mutex.h"
#include "common/result.h"
#include "common/types.h"

namespace tierhub {

// Changes of the catalog that are committed together.
class Batch {
 public:
  void put_inode(InodeNumber inode, const InodeRecord& record);
  // The record alone; see also erase_inode_data.
  void erase_inode(InodeNumber inode);

  // An entry is one record in `dirent` and one in `link`, always together.
  void put_entry(InodeNumber parent, std::string_view name, InodeNumber inode);
  void erase_entry(InodeNumber parent, std::string_view name, InodeNumber inode);

  void put_xattr(InodeNumber inode, std::string_view name, std::string_view value);
  void erase_xattr(InodeNumber inode, std::string_view name);

  // Applies a change of an IntervalSet to its records.
  void change_ranges(InodeNumber inode, RangeKind kind, const IntervalSet::Change& change);

  void put_checksums(InodeNumber inode, uint64_t group, const ChecksumGroup& checksums);
  void erase_checksums(InodeNumber inode, uint64_t group);

  // base: the archive as we left it. put_base is one record in `base` and one in `base_link`.
  void put_base(const Name& name, const BaseRecord& record);
  void erase_base(const Name& name, InodeNumber inode);
  void put_version(InodeNumber inode, const ArchiveVersion& version);
  void erase_version(InodeNumber inode);

  // put_journal overwrites: a parked key is tried again.
  void put_journal(const JournalKey& key, const JournalRecord& record);
  void erase_journal(const JournalKey& key);
  void put_intent(uint64_t sequence, const IntentRecord& record);
  void erase_intent(uint64_t sequence);
  void put_reap(InodeNumber inode, ReapKind kind);
  void erase_reap(InodeNumber inode);
  void put_departure(InodeNumber inode, const DepartureRecord& record);
  void erase_departure(InodeNumber inode);
  // The inode got clean chunks or an object, or was erased with its object, and no syncfs of
  // scratch has covered that yet.
  void put_unsynced(uint64_t epoch, InodeNumber inode);
  void erase_unsynced(uint64_t epoch, InodeNumber inode);

  void put_prefetch(const PrefetchRecord& record);
  void put_prefetch_item(uint64_t id, uint64_t index, const PrefetchItem& item);
  void erase_prefetch_item(uint64_t id, uint64_t index);
  void erase_prefetch(uint64_t id);  // the record; its items one by one

  void put_lease(InodeNumber inode, const LeaseRecord& record);
  void erase_lease(InodeNumber inode, std::string_view owner);
  // How warm the file is, as the time of a single use that would have left it so: catalog/heat.h.
  void put_heat(InodeNumber inode, Timestamp heat);
  void erase_heat(InodeNumber inode);
  // Replaces the record with the same start and worker.
  void put_reply(const ReplyRecord& record);
  void erase_reply(uint64_t start, uint64_t worker);
  void put_run(std::string_view run, std::string_view json);
  void put_meta(std::string_view key, std::string_view value);

  // A record as it stands, whether it can be read or not. For repairs.
  void erase_record(Family family, std::string_view key);

  bool empty() const { return changes_.empty(); }
  const WriteSet& changes() const { return changes_; }
  // Whose ranges change, and the folders in which entries come or go; some more than once.
  const std::vector<InodeNumber>& touched_files() const { return touched_files_; }
  const std::vector<InodeNumber>& touched_folders() const { return touched_folders_; }

 private:
  WriteSet changes_;
  std::vector<InodeNumber> touched_files_;
  std::vector<InodeNumber> touched_folders_;
};

class Catalog {
 public:
  struct Options {
    // Used when a catalog is made, a multiple of 4096; later the catalog's own value counts.
    uint64_t chunk_bytes = 4 << 20;
    // Which boot of the machine this is; empty: ask the kernel. Tests pretend a reboot with it.
    std::string boot_id;
  };

  // Opens the catalog in `store`, or makes an empty one with a root folder (0755, root). Refuses a
  // newer format version with errc::not_supported. `clean_shutdown()` and `same_boot()` describe
  // how the last process ended.
  static Result<std::unique_ptr<Catalog>> open(std::unique_ptr<KeyValueStore> store,
                                               const Options& options);
  ~Catalog();

  // All functions: any thread.
  uint64_t chunk_bytes() const { return chunk_bytes_; }
  // There was no catalog: clean_shutdown() and same_boot() are true.
  bool just_made() const { return just_made_; }
  bool clean_shutdown() const { return clean_shutdown_; }
  // False: the page cache that held the chunks listed in `unsynced` may be lost. Look at them, also
  // after a clean shutdown, then call mark_recovered().
  bool same_boot() const { return same_boot_; }
  // Inodes that were erased are in `unsynced` until a sync of scratch covers that their objects are
  // gone. False until the recovery is done after an older TierHub used the catalog last.
  bool notes_erasures() const { return notes_erasures_; }
  // What `unsynced` listed at open() is dealt with: later opens in this boot say same_boot(). Until
  // then they say no, so that a crash in the middle of the recovery does not hide the lost power.
  Result<void> mark_recovered();
  // The last thing before the process ends well: the next open() sees clean_shutdown().
  Result<void> mark_clean_shutdown();

  Result<void> commit(const Batch& batch, Durability durability = Durability::wal);
  // Called after each commit, by the thread that made it and with its locks: it only takes notes. Empty:
  // nobody watches any more, and nobody is being called when this returns.
  using Watcher = std::function<void(const Batch&)>;
  void watch(Watcher watcher);
  Result<void> sync();
  // As KeyValueStore::checkpoint().
  Result<void> checkpoint(const std::string& path) { return store_->checkpoint(path); }
  // The records as they are stored. For checks.
  const KeyValueStore& store() const { return *store_; }
  // Numbers up to and with `inode` are taken: the ones handed out later are greater.
  Result<void> reserve_above(InodeNumber inode);

  // Never used before and never again, also after power loss: numbers come from synced blocks of
  // 2^20.
  Result<InodeNumber> allocate_inode();
  // Grows; never reused within the life of this catalog.
  Result<uint64_t> allocate_sequence();

  // none: no such record.
  Result<std::optional<InodeRecord>> inode(InodeNumber inode) const;
  // The same for many, in the order given. Numbers that lie close together, as those of files that
  // were made together do, are read in one go.
  Result<std::vector<std::optional<InodeRecord>>> inodes(
      const std::vector<InodeNumber>& numbers) const;
  Result<std::optional<InodeNumber>> lookup(InodeNumber parent, std::string_view name) const;
  // Entries in the order (cookie, name), strictly after (cookie, name); start with (0, "").
  Result<std::vector<DirectoryEntry>> list(InodeNumber parent, uint64_t after_cookie,
                                           std::string_view after_name, size_t limit) const;
  // The entries of all folders, in an order that only the catalog knows and that stays the same: for
  // searches, which would take much longer folder by folder. `use` returns false to stop.
  struct PlacedEntry {
    std::string_view place;  // give it as `after` to go on behind this entry, now or later
    InodeNumber parent;
    std::string_view name;
    InodeNumber inode;
  };
  Result<void> for_each_entry(std::string_view after,
                              const std::function<bool(const PlacedEntry&)>& use) const;
  Result<bool> is_empty(InodeNumber directory) const;
  // All names of an inode; of the root: none.
  Result<std::vector<Name>> names(InodeNumber inode) const;
  // "/a/b" of one of its names; "/" for the root; none if it has no name.
  Result<std::optional<std::string>> path(InodeNumber inode) const;

  Result<std::optional<std::string>> xattr(InodeNumber inode, std::string_view name) const;
  Result<std::vector<std::pair<std::string, std::string>>> xattrs(InodeNumber inode) const;

  Result<IntervalSet> ranges(InodeNumber inode, RangeKind kind) const;
  Result<std::optional<ChecksumGroup>> checksums(InodeNumber inode, uint64_t group) const;
  // Of any chunk.
  Result<bool> has_checksums(InodeNumber inode) const;
  // The first inode behind `after` that has ranges. Passes the traces of all that were evicted
  // between the two and are not compacted away yet.
  Result<std::optional<InodeNumber>> resident_after(InodeNumber after) const;
  struct Nearby {
    std::optional<InodeNumber> inode;
    bool too_far = false;  // without an inode: there may be one behind many traces
  };
  // The same, at a cost that does not depend on how many were evicted.
  Result<Nearby> resident_near(InodeNumber after) const;
  // No inode has this number yet, nor a greater one.
  InodeNumber newest_inode() const;

  Result<std::optional<BaseRecord>> base(const Name& name) const;
  Result<std::vector<std::pair<std::string, BaseRecord>>> base_children(InodeNumber parent) const;
  Result<std::vector<Name>> base_names(InodeNumber inode) const;
  // "a/b" below the archive root by one of its names in base; "" for the root, ".tierhub/aside" for
  // kAsideInode; none if the archive does not have it.
  Result<std::optional<std::string>> base_path(InodeNumber inode) const;
  Result<std::optional<ArchiveVersion>> version(InodeNumber inode) const;

  // Keys strictly after `after` (none: from the start), in key order.
  Result<std::vector<std::pair<JournalKey, JournalRecord>>> journal(
      const std::optional<JournalKey>& after, size_t limit) const;
  // All keys in their order, a page at a time: `use` may change the journal.
  Result<void> for_each_journal_key(
      const std::function<Result<void>(const JournalKey&, const JournalRecord&)>& use) const;
  Result<std::optional<JournalRecord>> journal_record(const JournalKey& key) const;
  Result<std::vector<std::pair<uint64_t, IntentRecord>>> intents() const;
  // Inodes behind `after`, ascending.
  Result<std::vector<std::pair<InodeNumber, ReapKind>>> reaps(InodeNumber after,
                                                              size_t limit) const;
  Result<std::optional<ReapKind>> reap(InodeNumber inode) const;
  Result<std::optional<DepartureRecord>> departure(InodeNumber inode) const;
  Result<std::vector<std::pair<uint64_t, InodeNumber>>> unsynced() const;

  Result<std::vector<PrefetchRecord>> prefetches() const;
  Result<std::optional<PrefetchRecord>> prefetch(uint64_t id) const;
  // Of which there are items and no record: it was still coming in when the process ended.
  Result<std::vector<uint64_t>> prefetches_without_record() const;
  Result<std::vector<std::pair<uint64_t, PrefetchItem>>> prefetch_items(uint64_t id,
                                                                        uint64_t from_index,
                                                                        size_t limit) const;

  Result<std::vector<LeaseRecord>> leases(InodeNumber inode) const;
  Result<void> for_each_lease(
      const std::function<bool(InodeNumber, const LeaseRecord&)>& visit) const;
  Result<Timestamp> heat(InodeNumber inode) const;  // 0 if never used
  Result<std::vector<ReplyRecord>> replies() const;
  Result<std::vector<std::pair<std::string, std::string>>> runs() const;
  Result<std::optional<std::string>> run(std::string_view run) const;
  Result<std::optional<std::string>> meta(std::string_view key) const;

 private:
  Result<Nearby> next_resident(InodeNumber after, uint64_t max_erased) const;
  // Numbers handed out from blocks that are reserved on disk before the first of them is used.
  struct NumberBlock {
    std::string_view end_key;   // in meta: `end`
    std::string_view next_key;  // in meta: `next`, written at a clean shutdown
    uint64_t first = 0;         // of a new catalog
    uint64_t next = 0;
    uint64_t end = 0;
    bool used_up = false;  // what is left is promised to the next process
  };

  Catalog(std::unique_ptr<KeyValueStore> store, std::string boot_id);
  Result<void> each_prefetch(
      const std::function<Result<void>(uint64_t id, std::optional<std::string_view> record)>& visit)
      const;
  Result<void> make(const Options& options);
  Result<void> load();
  Result<void> begin_process();
  Result<uint64_t> meta_number(std::string_view key) const;
  Result<uint64_t> allocate(NumberBlock& block) REQUIRES(allocation_mutex_);
  Result<void> read_run(const std::vector<InodeNumber>& numbers, std::span<const size_t> run,
                        std::vector<std::optional<InodeRecord>>& records) const;

  std::unique_ptr<KeyValueStore> store_;
  const std::string boot_id_;
  uint64_t chunk_bytes_ = 0;
  bool just_made_ = false;
  bool clean_shutdown_ = false;
  bool same_boot_ = false;
  bool notes_erasures_ = false;
  Guarded<Watcher> watcher_;
  mutable Mutex allocation_mutex_;  // held across the sync that reserves a block
  NumberBlock inodes_ GUARDED_BY(allocation_mutex_);
  NumberBlock sequences_ GUARDED_BY(allocation_mutex_);
};

}  // namespace tierhub
