// RocksDB, behind the interface of KeyValueStore. Nothing else of TierHub includes it.
//
// Every commit is in the log file (by write(2)) before it returns: manual_wal_flush is off. A sync
// is one fdatasync for all who wait at that time. What the options below are for:
//   wal_recovery_mode    After power loss any part of the log behind the last sync may be missing
//   or torn. Point-in-time
//                        recovery keeps what is before the first gap; kTolerateCorruptedTailRecords
//                        would refuse to open when the gap is not at the very end of the log.
//   recycle_log_file_num 0: an old log's records behind a new log's torn end must not look like a
//   gap. track_and_verify_wals_in_manifest stays off: it writes and syncs the manifest at each sync
//   of the log. prefix_extractor     8 bytes, an inode number in nearly all families: "no
//   attributes, no leases, no ranges", the
//                        usual answer, comes from a Bloom filter.
#include <algorithm>

#include <fcntl.h>
#include <sys/file.h>

#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/utilities/table_properties_collectors.h>

#include "catalog/ballast.h"
#include "catalog/encoding.h"
#include "catalog/first_live.h"
#include "catalog/group_sync.h"
#include "catalog/key_value_store.h"
#include "common/clock.h"
#include "common/health.h"
#include "common/log.h"
#include "common/mutex.h"
#include "common/posix.h"

#ifdef __SANITIZE_THREAD__
// Distributions build RocksDB without ThreadSanitizer, which then sees its copying of bytes, but
// not the atomics that order it. The long history is for the stacks by which such a report is
// known.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() { return "race:librocksdb.so\n"; }
extern "C" const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() { return "history_size=7"; }
#endif

namespace tierhub {
namespace {

constexpr size_t kBlockCacheBytes = 256 << 20;
constexpr size_t kMemtableBytes = 64 << 20;  // all families together
constexpr size_t kFamilyMemtableBytes = 32 << 20;
constexpr size_t kMaxLogBytes = 64 << 20;  // bounds what a start replays
constexpr size_t kBlockBytes = 8 << 10;
constexpr double kBloomBitsPerKey = 10;
// Of the memory of a memtable: some 10 bits for each key and each prefix of a full one.
constexpr double kMemtableBloomShare = 0.02;
constexpr size_t kPrefixBytes = 8;
constexpr int kMaxOpenTables = 1024;
// A table file with this many tombstones among so many keys in a row is compacted.
constexpr size_t kTombstoneWindow = 10'000;
constexpr size_t kTombstoneTrigger = 5'000;
// How often a commit looks how much room the disk has, and how often the ballast is tried to be
// taken back.
constexpr auto kLookInterval = std::chrono::milliseconds(10);
constexpr auto kArmInterval = std::chrono::seconds(10);

rocksdb::Slice to_slice(std::string_view text) { return {text.data(), text.size()}; }
std::string_view to_view(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

// Families that drain from the front: scans from the start begin at the first live key.
constexpr bool is_queue(Family family) {
  return family == Family::journal || family == Family::intent || family == Family::reap ||
         family == Family::unsynced;
}

// Families that large jobs empty by ranges: what they erased is compacted away soon, so that those
// who look for what is left don't walk over it.
constexpr bool is_emptied(Family family) {
  return is_queue(family) || family == Family::residency || family == Family::lease ||
         family == Family::prefetch;
}

// Families that are asked for what is not there with each file that is made.
constexpr bool is_often_missed(Family family) {
  return family == Family::inode || family == Family::dirent || family == Family::xattr;
}

// Families whose keys all begin with 8 bytes by which they are scanned.
constexpr bool has_prefix(Family family) {
  return family != Family::journal && family != Family::run && family != Family::meta;
}

Error to_error(const rocksdb::Status& status, std::string_view action) {
  std::errc code = std::errc::io_error;
  if (status.IsNoSpace()) code = std::errc::no_space_on_device;
  if (status.IsCorruption()) code = std::errc::bad_message;
  return Error(code, fmt::format("{}: {}", action, status.ToString()));
}

Result<void> check(const rocksdb::Status& status, std::string_view action) {
  if (!status.ok()) return to_error(status, action);
  return {};
}

rocksdb::CompressionType fastest_compression() {
  const auto supported = rocksdb::GetSupportedCompressions();
  const bool lz4 =
      std::find(supported.begin(), supported.end(), rocksdb::kLZ4Compression) != supported.end();
  return lz4 ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
}

rocksdb::DBOptions database_options() {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.recycle_log_file_num = 0;
  options.manual_wal_flush = false;
  options.max_total_wal_size = kMaxLogBytes;
  options.db_write_buffer_size = kMemtableBytes;
  options.max_background_jobs = 2;
  options.max_open_files = kMaxOpenTables;
  options.bytes_per_sync = 1 << 20;
  options.skip_stats_update_on_db_open = true;
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.max_log_file_size = 4 << 20;
  options.keep_log_file_num = 4;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

rocksdb::ColumnFamilyOptions family_options(
    Family family, const std::shared_ptr<rocksdb::Cache>& cache,
    const std::shared_ptr<const rocksdb::FilterPolicy>& bloom) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.block_size = kBlockBytes;
  table.format_version = 5;
  table.filter_policy = bloom;
  table.whole_key_filtering = true;
  // Index and filter blocks live in the cache too, in parts: memory does not grow with the number
  // of files.
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.cache_index_and_filter_blocks = true;
  table.pin_top_level_index_and_filter = true;
  rocksdb::ColumnFamilyOptions options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.write_buffer_size = kFamilyMemtableBytes;
  options.compression = fastest_compression();
  options.level_compaction_dynamic_level_bytes = true;
  if (has_prefix(family))
    options.prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(kPrefixBytes));
  if (is_often_missed(family)) {
    options.memtable_prefix_bloom_size_ratio = kMemtableBloomShare;
    options.memtable_whole_key_filtering = true;
  }
  if (is_emptied(family)) {
    options.table_properties_collector_factories.push_back(
        rocksdb::NewCompactOnDeletionCollectorFactory(kTombstoneWindow, kTombstoneTrigger));
  }
  return options;
}

class RocksDbStore final : public KeyValueStore {
 public:
  static Result<std::unique_ptr<RocksDbStore>> open(const std::string& path,
                                                    const RocksDbOptions& options) {
    std::unique_ptr<RocksDbStore> store(new RocksDbStore(path, options));
    TRY(store->lock_directory());
    if (options.access == RocksDbOptions::Access::read_only) {
      TRY(store->open_database());
      return store;
    }
    store->ballast_.arm();
    TRY(store->check_room());
    TRY(store->open_database());
    return store;
  }

  ~RocksDbStore() override {
    for (auto* family : families_) static_cast<void>(db_->DestroyColumnFamilyHandle(family));
    if (db_) static_cast<void>(db_->Close());
  }

  Result<std::optional<std::string>> get(Family family, std::string_view key) const override {
    rocksdb::PinnableSlice value;
    const auto status = db_->Get(rocksdb::ReadOptions(), handle(family), to_slice(key), &value);
    if (status.IsNotFound()) return std::nullopt;
    TRY(check(status, "read the catalog"));
    return std::string(to_view(value));
  }

  Result<void> scan(
      Family family, std::string_view begin, std::string_view end,
      const std::function<bool(std::string_view, std::string_view)>& visit) const override {
    if (!is_queue(family)) return scan_range(family, begin, end, visit);
    FirstLive& first_live = first_live_[static_cast<size_t>(family)];
    const FirstLive::Scan scan = first_live.begin_scan();
    if (!scan.begin) return {};
    if (begin > *scan.begin || !end.empty()) return scan_range(family, begin, end, visit);
    std::optional<std::string> first;
    TRY(scan_range(family, *scan.begin, end, [&](std::string_view key, std::string_view value) {
      if (!first) first = key;
      return visit(key, value);
    }));
    first_live.end_scan(scan, std::move(first));
    return {};
  }

  Result<NextKey> next_key(Family family, std::string_view begin,
                           uint64_t max_erased) const override {
    rocksdb::ReadOptions options;
    options.total_order_seek = true;
    options.max_skippable_internal_keys = max_erased;
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options, handle(family)));
    it->Seek(to_slice(begin));
    if (it->Valid()) return NextKey{std::string(to_view(it->key()))};
    if (it->status().IsIncomplete()) return NextKey{std::nullopt, true};
    TRY(check(it->status(), "read the catalog"));
    return NextKey{};
  }

  Result<void> commit(const WriteSet& changes, Durability durability) override {
    if (read_only())
      return Error(std::errc::read_only_file_system, "the catalog is open for reading only");
    TRY(group_sync_.state());
    TRY(check_room());
    rocksdb::WriteBatch batch;
    for (const auto& change : changes.changes()) {
      TRY(check(change.value ? batch.Put(handle(change.family), to_slice(change.key),
                                         to_slice(*change.value))
                             : batch.Delete(handle(change.family), to_slice(change.key)),
                "write the catalog"));
    }
    for (const auto& change : changes.changes()) {
      if (enters_queue(change)) queue_of(change).begin_put(change.key);
    }
    const auto status = write(batch);
    for (const auto& change : changes.changes()) {
      if (enters_queue(change)) queue_of(change).end_put();
    }
    if (!status.ok()) return final(group_sync_.fail(to_error(status, "write the catalog's log")));
    if (durability == Durability::synced) return sync();
    return {};
  }

  Result<void> sync() override {
    auto synced =
        group_sync_.run([this] { return check(db_->SyncWAL(), "sync the catalog's log"); });
    if (!synced) return final(synced.error());
    return {};
  }

  Result<void> checkpoint(const std::string& path) override {
    rocksdb::Checkpoint* made = nullptr;
    TRY(check(rocksdb::Checkpoint::Create(db_.get(), &made), "checkpoint the catalog"));
    const std::unique_ptr<rocksdb::Checkpoint> owned(made);
    return check(owned->CreateCheckpoint(path), "checkpoint the catalog");
  }

 private:
  RocksDbStore(const std::string& path, const RocksDbOptions& options)
      : path_(path),
        access_(options.access),
        ballast_(path + "/ballast", options.ballast_bytes),
        keep_free_bytes_(options.ballast_bytes / 2) {}

  bool read_only() const { return access_ == RocksDbOptions::Access::read_only; }

  // Nobody knows any more what is on the device.
  static Error final(const Error& error) {
    health().set(HealthPart::catalog,
                 {"the catalog's disk is failing, nothing can be changed",
                  fmt::format("{}; check the disk, then restart tierd", error.text())});
    return error;
  }

  // RocksDB's own lock would do; this one tells "in use" from every other failure.
  Result<void> lock_directory() {
    if (!read_only()) TRY(posix::make_directories(path_, 0700));
    TRY_ASSIGN(directory_, posix::open_at(AT_FDCWD, path_, O_RDONLY | O_DIRECTORY));
    if (::flock(directory_.get(), LOCK_EX | LOCK_NB) == 0) return {};
    if (errno != EWOULDBLOCK) return Error::from_errno(errno, "lock " + path_);
    return Error(std::errc::device_or_resource_busy,
                 fmt::format("another process has the catalog in {} open: stop it first", path_));
  }

  Result<void> open_database() {
    const auto cache = rocksdb::NewLRUCache(kBlockCacheBytes);
    const std::shared_ptr<const rocksdb::FilterPolicy> bloom(
        rocksdb::NewBloomFilterPolicy(kBloomBitsPerKey));
    // RocksDB demands a family of this name; it stays empty.
    std::vector<rocksdb::ColumnFamilyDescriptor> descriptors{
        {rocksdb::kDefaultColumnFamilyName, {}}};
    for (size_t i = 0; i < kFamilyNames.size(); ++i) {
      descriptors.emplace_back(kFamilyNames[i],
                               family_options(static_cast<Family>(i), cache, bloom));
    }
    rocksdb::DB* db = nullptr;
    const auto status =
        read_only()
            ? rocksdb::DB::OpenForReadOnly(database_options(), path_, descriptors, &families_, &db)
            : rocksdb::DB::Open(database_options(), path_, descriptors, &families_, &db);
    db_.reset(db);
    return check(status, "open the catalog in " + path_);
  }

  rocksdb::Status write(rocksdb::WriteBatch& batch) {
#ifdef __SANITIZE_THREAD__
    // RocksDB joins batches of several threads by functions of libstdc++, where no suppression
    // tells its calls from ours: under ThreadSanitizer it gets no batches to join.
    MutexLock lock(write_mutex_);
#endif
    return db_->Write(rocksdb::WriteOptions(), &batch);
  }

  // RocksDB must not run into a full disk: a log that it could not write to is lost for the
  // process. So the wall is here, where it can be passed again once there is room.
  Result<void> check_room() {
    MutexLock lock(room_mutex_);
    const auto now = SteadyClock::now();
    if (keep_free_bytes_ == 0 || now < next_look_) return {};
    TRY_ASSIGN(uint64_t free_bytes, this->free_bytes());
    if (free_bytes < keep_free_bytes_ && ballast_.release()) {
      log::warning("the catalog's disk is full: removed the ballast to make room",
                   {{"path", path_}});
      TRY_ASSIGN(free_bytes, this->free_bytes());
    }
    if (free_bytes < keep_free_bytes_) {
      health().set(HealthPart::catalog,
                   {"the catalog's disk is full, nothing can be changed",
                    fmt::format("free {} MiB on the disk of {}", keep_free_bytes_ >> 20, path_)});
      return Error(std::errc::no_space_on_device,
                   fmt::format("the catalog's disk is full: free {} MiB on the disk of {}",
                               keep_free_bytes_ >> 20, path_));
    }
    health().clear(HealthPart::catalog);
    next_look_ = now + kLookInterval;
    if (!ballast_.armed() && now >= next_arm_) {
      next_arm_ = now + kArmInterval;
      ballast_.arm();
    }
    return {};
  }

  Result<uint64_t> free_bytes() const {
    TRY_ASSIGN(const struct statvfs disk, posix::statvfs_fd(directory_.get()));
    return uint64_t{disk.f_bavail} * disk.f_frsize;
  }

  Result<void> scan_range(
      Family family, std::string_view begin, std::string_view end,
      const std::function<bool(std::string_view, std::string_view)>& visit) const {
    rocksdb::ReadOptions options;
    const rocksdb::Slice upper = to_slice(end);
    if (!end.empty()) options.iterate_upper_bound = &upper;
    options.prefix_same_as_start = within_one_prefix(family, begin, end);
    options.total_order_seek = !options.prefix_same_as_start;
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options, handle(family)));
    for (it->Seek(to_slice(begin)); it->Valid(); it->Next()) {
      if (!visit(to_view(it->key()), to_view(it->value()))) break;
    }
    return check(it->status(), "read the catalog");
  }

  // Then the prefix filter may answer for all of [begin, end).
  static bool within_one_prefix(Family family, std::string_view begin, std::string_view end) {
    if (!has_prefix(family) || begin.size() < kPrefixBytes) return false;
    const std::string_view prefix = begin.substr(0, kPrefixBytes);
    return end.starts_with(prefix) || end == encoding::prefix_end(prefix);
  }

  static bool enters_queue(const WriteSet::Change& change) {
    return change.value.has_value() && is_queue(change.family);
  }
  FirstLive& queue_of(const WriteSet::Change& change) {
    return first_live_[static_cast<size_t>(change.family)];
  }

  // The handles begin with the one of the empty default family.
  rocksdb::ColumnFamilyHandle* handle(Family family) const {
    return families_[static_cast<size_t>(family) + 1];
  }

  const std::string path_;
  const RocksDbOptions::Access access_;
  UniqueFd directory_;  // holds the lock
  Ballast ballast_;
#ifdef __SANITIZE_THREAD__
  Mutex write_mutex_;
#endif
  const uint64_t keep_free_bytes_;
  Mutex room_mutex_;
  SteadyClock::time_point next_look_ GUARDED_BY(room_mutex_);
  SteadyClock::time_point next_arm_ GUARDED_BY(room_mutex_);
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;
  mutable std::array<FirstLive, kFamilyNames.size()> first_live_;
  GroupSync group_sync_;
};

}  // namespace

Result<std::unique_ptr<KeyValueStore>> open_rocksdb_store(const std::string& path,
                                                          const RocksDbOptions& options) {
  TRY_ASSIGN(std::unique_ptr<KeyValueStore> store, RocksDbStore::open(path, options));
  return store;
}

}  // namespace tierhub
