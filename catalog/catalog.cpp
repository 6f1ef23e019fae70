// How a catalog begins and ends.
//
// `meta` holds, under keys that begin with "catalog.", what outlives the process:
//   format      of the whole catalog; a newer one is refused
//   chunk_bytes fixed when the catalog is made
//   boot        the boot in which the page cache of everything in `unsynced` lived
//   clean       there only between a clean shutdown and the next open
//   erasures    inodes that are erased are noted in `unsynced`; absent while only an older TierHub
//               has written the catalog
//   *_end       the end of the block of numbers that is reserved
//   *_next      the first number not handed out; read only after a clean shutdown
//
// open() syncs before it returns: the clean mark is gone, and after an unclean stop the block that
// may have been in use is left behind. So no number is handed out twice, whatever the log lost.
#include "catalog/catalog.h"

#include <charconv>

#include <fmt/format.h>

#include "catalog/encoding.h"
#include "common/posix.h"

namespace tierhub {
namespace {

constexpr uint64_t kFormat = 1;
constexpr uint64_t kBlockSize = 1 << 20;
constexpr uint64_t kChunkUnitBytes = 4096;

constexpr std::string_view kFormatKey = "catalog.format";
constexpr std::string_view kChunkBytesKey = "catalog.chunk_bytes";
constexpr std::string_view kBootKey = "catalog.boot";
constexpr std::string_view kCleanKey = "catalog.clean";
constexpr std::string_view kErasuresKey = "catalog.erasures";
constexpr std::string_view kInodeEndKey = "catalog.inode_end";
constexpr std::string_view kInodeNextKey = "catalog.inode_next";
constexpr std::string_view kSequenceEndKey = "catalog.sequence_end";
constexpr std::string_view kSequenceNextKey = "catalog.sequence_next";

void put_text(WriteSet& changes, std::string_view key, std::string_view value) {
  changes.put(Family::meta, std::string(key), encoding::encode_text(value));
}

void put_number(WriteSet& changes, std::string_view key, uint64_t value) {
  put_text(changes, key, std::to_string(value));
}

Result<bool> is_new(const KeyValueStore& store) {
  bool empty = true;
  TRY(store.scan(Family::inode, "", "",
                 [&](std::string_view, std::string_view) { return empty = false; }));
  return empty;
}

InodeRecord root_folder() {
  const Timestamp now = Timestamp::now();
  InodeRecord root;
  root.attributes.kind = FileKind::directory;
  root.attributes.mode = 0755;
  root.attributes.atime = root.attributes.mtime = root.attributes.ctime = root.attributes.btime =
      now;
  root.nlink = 2;
  return root;
}

}  // namespace

Catalog::Catalog(std::unique_ptr<KeyValueStore> store, std::string boot_id)
    : store_(std::move(store)), boot_id_(std::move(boot_id)) {
  inodes_ = {kInodeEndKey, kInodeNextKey, kFirstFreeInode.value(), 0, 0};
  sequences_ = {kSequenceEndKey, kSequenceNextKey, 1, 0, 0};
}

Catalog::~Catalog() = default;

Result<std::unique_ptr<Catalog>> Catalog::open(std::unique_ptr<KeyValueStore> store,
                                               const Options& options) {
  std::string boot_id = options.boot_id;
  if (boot_id.empty()) {
    TRY_ASSIGN(boot_id, posix::boot_id());
  }
  std::unique_ptr<Catalog> catalog(new Catalog(std::move(store), std::move(boot_id)));
  TRY_ASSIGN(const auto format, catalog->meta(kFormatKey));
  if (format) {
    TRY(catalog->load());
    return catalog;
  }
  TRY_ASSIGN(const bool empty, is_new(*catalog->store_));
  if (!empty) {
    return Error(
        std::errc::bad_message,
        "the catalog is damaged: its format is missing; rebuild it with `tierctl fsck --rebuild`");
  }
  TRY(catalog->make(options));
  return catalog;
}

Result<void> Catalog::make(const Options& options) {
  if (options.chunk_bytes == 0 || options.chunk_bytes % kChunkUnitBytes != 0) {
    return Error(std::errc::invalid_argument,
                 fmt::format("the chunk size is {} bytes, but must be a multiple of {}",
                             options.chunk_bytes, kChunkUnitBytes));
  }
  just_made_ = clean_shutdown_ = same_boot_ = notes_erasures_ = true;
  chunk_bytes_ = options.chunk_bytes;
  WriteSet changes;
  put_number(changes, kFormatKey, kFormat);
  put_number(changes, kChunkBytesKey, chunk_bytes_);
  put_text(changes, kBootKey, boot_id_);
  put_text(changes, kErasuresKey, "1");
  for (NumberBlock* block : {&inodes_, &sequences_}) {
    block->next = block->first;
    block->end = block->first + kBlockSize;
    put_number(changes, block->end_key, block->end);
  }
  changes.put(Family::inode, encoding::inode_key(kRootInode), encoding::encode(root_folder()));
  return store_->commit(changes, Durability::synced);
}

Result<void> Catalog::load() {
  TRY_ASSIGN(const uint64_t format, meta_number(kFormatKey));
  if (format > kFormat) {
    return Error(
        std::errc::not_supported,
        fmt::format("the catalog has format {}, this TierHub reads up to {}: install a newer one",
                    format, kFormat));
  }
  TRY_ASSIGN(chunk_bytes_, meta_number(kChunkBytesKey));
  if (chunk_bytes_ == 0 || chunk_bytes_ % kChunkUnitBytes != 0) {
    return Error(std::errc::bad_message,
                 "the catalog is damaged: its chunk size is not a multiple of 4096");
  }
  TRY_ASSIGN(const auto boot, meta(kBootKey));
  same_boot_ = boot == boot_id_;
  TRY_ASSIGN(const auto clean, meta(kCleanKey));
  clean_shutdown_ = clean.has_value();
  TRY_ASSIGN(const auto erasures, meta(kErasuresKey));
  notes_erasures_ = erasures.has_value();
  return begin_process();
}

Result<void> Catalog::begin_process() {
  WriteSet changes;
  changes.erase(Family::meta, std::string(kCleanKey));
  if (clean_shutdown_ && same_boot_) put_text(changes, kErasuresKey, "1");
  for (NumberBlock* block : {&inodes_, &sequences_}) {
    TRY_ASSIGN(block->end, meta_number(block->end_key));
    block->next = block->end;
    if (clean_shutdown_) {
      TRY_ASSIGN(block->next, meta_number(block->next_key));
    }
    if (block->next > block->end) {
      return Error(std::errc::bad_message,
                   "the catalog is damaged: it assigned numbers that it had not reserved");
    }
    if (block->next == block->end) {
      block->end += kBlockSize;
      put_number(changes, block->end_key, block->end);
    }
  }
  return store_->commit(changes, Durability::synced);
}

Result<uint64_t> Catalog::meta_number(std::string_view key) const {
  TRY_ASSIGN(const auto text, meta(key));
  uint64_t number = 0;
  if (!text ||
      std::from_chars(text->data(), text->data() + text->size(), number).ec != std::errc()) {
    return Error(std::errc::bad_message,
                 fmt::format("the catalog is damaged: {} is not a number", key));
  }
  return number;
}

Result<void> Catalog::mark_recovered() {
  WriteSet changes;
  put_text(changes, kBootKey, boot_id_);
  put_text(changes, kErasuresKey, "1");
  return store_->commit(changes, Durability::synced);
}

Result<void> Catalog::mark_clean_shutdown() {
  MutexLock lock(allocation_mutex_);
  WriteSet changes;
  put_text(changes, kCleanKey, "1");
  for (NumberBlock* block : {&inodes_, &sequences_})
    put_number(changes, block->next_key, block->next);
  TRY(store_->commit(changes, Durability::synced));
  // Whoever allocates now reserves a block first, which takes the mark away.
  for (NumberBlock* block : {&inodes_, &sequences_}) block->used_up = true;
  return {};
}

Result<void> Catalog::commit(const Batch& batch, Durability durability) {
  TRY(store_->commit(batch.changes(), durability));
  watcher_.with([&](const Watcher& watcher) {
    if (watcher) watcher(batch);
  });
  return {};
}

void Catalog::watch(Watcher watcher) {
  watcher_.with([&](Watcher& known) { known = std::move(watcher); });
}

Result<void> Catalog::sync() { return store_->sync(); }

Result<uint64_t> Catalog::allocate(NumberBlock& block) {
  if (block.used_up || block.next == block.end) {
    WriteSet changes;
    changes.erase(Family::meta, std::string(kCleanKey));
    put_number(changes, block.end_key, block.end + kBlockSize);
    TRY(store_->commit(changes, Durability::synced));
    block.next = block.end;
    block.end += kBlockSize;
    block.used_up = false;
  }
  return block.next++;
}

Result<InodeNumber> Catalog::allocate_inode() {
  MutexLock lock(allocation_mutex_);
  TRY_ASSIGN(const uint64_t number, allocate(inodes_));
  return InodeNumber{number};
}

Result<void> Catalog::reserve_above(InodeNumber inode) {
  MutexLock lock(allocation_mutex_);
  if (inode.value() < inodes_.next) return {};
  WriteSet changes;
  changes.erase(Family::meta, std::string(kCleanKey));
  put_number(changes, inodes_.end_key, inode.value() + 1 + kBlockSize);
  put_number(changes, inodes_.next_key, inode.value() + 1);
  TRY(store_->commit(changes, Durability::synced));
  inodes_.next = inode.value() + 1;
  inodes_.end = inode.value() + 1 + kBlockSize;
  return {};
}

InodeNumber Catalog::newest_inode() const {
  MutexLock lock(allocation_mutex_);
  return InodeNumber{std::max({inodes_.first, inodes_.next, inodes_.end})};
}

Result<uint64_t> Catalog::allocate_sequence() {
  MutexLock lock(allocation_mutex_);
  return allocate(sequences_);
}

}  // namespace tierhub
