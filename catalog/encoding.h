// How keys and records of the catalog look on disk; docs/ON_DISK.md says the same in prose. Keys
// are big-endian, so that they sort like the numbers in them. Each record starts with a version
// byte. Every change here changes what is on people's disks: old versions stay readable, and golden
// tests pin the bytes.
//
// Decoders trust nothing: whatever the bytes are, they return a record or errc::bad_message.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "catalog/records.h"
#include "common/result.h"

namespace tierhub::encoding {

// The version byte of every record that is written. Readers accept 1 to this.
inline constexpr uint8_t kRecordVersion = 1;

// The smallest key above all keys that begin with `prefix`; empty (no bound) if there is none.
std::string prefix_end(std::string_view prefix);
// The smallest key above `key`.
std::string after(std::string key);

// Keys. A function without the last parts of a key makes the prefix of all such keys.
std::string inode_key(InodeNumber inode);
std::string dirent_prefix(InodeNumber parent);
std::string dirent_key(InodeNumber parent, uint64_t cookie, std::string_view name);
std::string name_key(InodeNumber parent, std::string_view name);  // base
std::string link_key(InodeNumber inode, InodeNumber parent,
                     std::string_view name);  // link, base_link
std::string xattr_key(InodeNumber inode, std::string_view name);
std::string residency_prefix(InodeNumber inode, RangeKind kind);
std::string residency_key(InodeNumber inode, RangeKind kind, uint64_t begin);
std::string checksum_key(InodeNumber inode, uint64_t group);
std::string journal_key(const JournalKey& key);
std::string sequence_key(uint64_t sequence);  // intent, prefetch
std::string unsynced_key(uint64_t epoch, InodeNumber inode);
std::string prefetch_item_key(uint64_t id, uint64_t index);
std::string lease_key(InodeNumber inode, std::string_view owner);
std::string answer_key(uint64_t start, uint64_t worker);

// Keys read back.
Result<uint64_t> decode_number_key(std::string_view key);  // inode, version, intent, reap, heat
Result<std::pair<uint64_t, std::string>> decode_dirent_suffix(
    std::string_view key);  // cookie, name
struct DirentKey {
  InodeNumber parent;
  std::string_view name;  // of the key
};
Result<DirentKey> decode_dirent_key(std::string_view key);
Result<Name> decode_name_key(std::string_view key);            // base
Result<Name> decode_link_suffix(std::string_view key);         // link, base_link
Result<std::string> decode_text_suffix(std::string_view key);  // after a number: xattr, lease
struct ResidencyKey {
  InodeNumber inode;
  RangeKind kind = RangeKind::clean;
  uint64_t begin = 0;
};
Result<ResidencyKey> decode_residency_key(std::string_view key);
Result<JournalKey> decode_journal_key(std::string_view key);
Result<std::pair<uint64_t, uint64_t>> decode_pair_key(
    std::string_view key);  // unsynced, prefetch items, checksum, answer

// Records.
std::string encode(const InodeRecord& record);
std::string encode(InodeNumber inode);           // dirent
std::string encode_mark();                       // link, base_link, unsynced: the key says it all
std::string encode_text(std::string_view text);  // xattr, run, meta
std::string encode_number(uint64_t number);      // residency (the end of the range)
std::string encode(const ChecksumGroup& record);
std::string encode(const BaseRecord& record);
std::string encode(const ArchiveVersion& record);
std::string encode(const JournalRecord& record);
std::string encode(const IntentRecord& record);
std::string encode(ReapKind kind);
std::string encode(const DepartureRecord& record);
std::string encode(const PrefetchRecord& record);  // without the id, which is in the key
std::string encode(const PrefetchItem& record);
std::string encode(const LeaseRecord& record);  // without the owner, which is in the key
std::string encode(Timestamp time);             // heat
std::string encode(const ReplyRecord& record);  // without start and worker, which are in the key

Result<InodeRecord> decode_inode(std::string_view bytes);
Result<InodeNumber> decode_dirent(std::string_view bytes);
Result<void> decode_mark(std::string_view bytes);
Result<std::string> decode_text(std::string_view bytes);
Result<uint64_t> decode_number(std::string_view bytes);
Result<ChecksumGroup> decode_checksums(std::string_view bytes);
Result<BaseRecord> decode_base(std::string_view bytes);
Result<ArchiveVersion> decode_version(std::string_view bytes);
Result<JournalRecord> decode_journal(std::string_view bytes);
Result<IntentRecord> decode_intent(std::string_view bytes);
Result<ReapKind> decode_reap(std::string_view bytes);
Result<DepartureRecord> decode_departure(std::string_view bytes);
Result<PrefetchRecord> decode_prefetch(uint64_t id, std::string_view bytes);
Result<PrefetchItem> decode_prefetch_item(std::string_view bytes);
Result<LeaseRecord> decode_lease(std::string_view owner, std::string_view bytes);
Result<Timestamp> decode_heat(std::string_view bytes);
Result<ReplyRecord> decode_reply(uint64_t start, uint64_t worker, std::string_view bytes);

}  // namespace tierhub::encoding
