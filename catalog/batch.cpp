#include "catalog/catalog.h"
#include "catalog/encoding.h"

namespace tierhub {

using encoding::encode;

void Batch::put_inode(InodeNumber inode, const InodeRecord& record) {
  changes_.put(Family::inode, encoding::inode_key(inode), encode(record));
}

void Batch::erase_inode(InodeNumber inode) {
  changes_.erase(Family::inode, encoding::inode_key(inode));
}

void Batch::put_entry(InodeNumber parent, std::string_view name, InodeNumber inode) {
  touched_folders_.push_back(parent);
  changes_.put(Family::dirent, encoding::dirent_key(parent, name_hash(name), name), encode(inode));
  changes_.put(Family::link, encoding::link_key(inode, parent, name), encoding::encode_mark());
}

void Batch::erase_entry(InodeNumber parent, std::string_view name, InodeNumber inode) {
  touched_folders_.push_back(parent);
  changes_.erase(Family::dirent, encoding::dirent_key(parent, name_hash(name), name));
  changes_.erase(Family::link, encoding::link_key(inode, parent, name));
}

void Batch::put_xattr(InodeNumber inode, std::string_view name, std::string_view value) {
  changes_.put(Family::xattr, encoding::xattr_key(inode, name), encoding::encode_text(value));
}

void Batch::erase_xattr(InodeNumber inode, std::string_view name) {
  changes_.erase(Family::xattr, encoding::xattr_key(inode, name));
}

void Batch::change_ranges(InodeNumber inode, RangeKind kind, const IntervalSet::Change& change) {
  touched_files_.push_back(inode);
  for (const uint64_t begin : change.erased) {
    changes_.erase(Family::residency, encoding::residency_key(inode, kind, begin));
  }
  for (const auto& range : change.added) {
    changes_.put(Family::residency, encoding::residency_key(inode, kind, range.begin),
                 encoding::encode_number(range.end));
  }
}

void Batch::put_checksums(InodeNumber inode, uint64_t group, const ChecksumGroup& checksums) {
  changes_.put(Family::checksum, encoding::checksum_key(inode, group), encode(checksums));
}

void Batch::erase_checksums(InodeNumber inode, uint64_t group) {
  changes_.erase(Family::checksum, encoding::checksum_key(inode, group));
}

void Batch::put_base(const Name& name, const BaseRecord& record) {
  changes_.put(Family::base, encoding::name_key(name.parent, name.name), encode(record));
  changes_.put(Family::base_link, encoding::link_key(record.inode, name.parent, name.name),
               encoding::encode_mark());
}

void Batch::erase_base(const Name& name, InodeNumber inode) {
  changes_.erase(Family::base, encoding::name_key(name.parent, name.name));
  changes_.erase(Family::base_link, encoding::link_key(inode, name.parent, name.name));
}

void Batch::put_version(InodeNumber inode, const ArchiveVersion& version) {
  changes_.put(Family::version, encoding::inode_key(inode), encode(version));
}

void Batch::erase_version(InodeNumber inode) {
  changes_.erase(Family::version, encoding::inode_key(inode));
}

void Batch::put_journal(const JournalKey& key, const JournalRecord& record) {
  changes_.put(Family::journal, encoding::journal_key(key), encode(record));
}

void Batch::erase_journal(const JournalKey& key) {
  changes_.erase(Family::journal, encoding::journal_key(key));
}

void Batch::put_intent(uint64_t sequence, const IntentRecord& record) {
  changes_.put(Family::intent, encoding::sequence_key(sequence), encode(record));
}

void Batch::erase_intent(uint64_t sequence) {
  changes_.erase(Family::intent, encoding::sequence_key(sequence));
}

void Batch::put_reap(InodeNumber inode, ReapKind kind) {
  changes_.put(Family::reap, encoding::inode_key(inode), encode(kind));
}

void Batch::erase_reap(InodeNumber inode) {
  changes_.erase(Family::reap, encoding::inode_key(inode));
}

void Batch::put_departure(InodeNumber inode, const DepartureRecord& record) {
  changes_.put(Family::departure, encoding::inode_key(inode), encode(record));
}

void Batch::erase_departure(InodeNumber inode) {
  changes_.erase(Family::departure, encoding::inode_key(inode));
}

void Batch::put_unsynced(uint64_t epoch, InodeNumber inode) {
  changes_.put(Family::unsynced, encoding::unsynced_key(epoch, inode), encoding::encode_mark());
}

void Batch::erase_unsynced(uint64_t epoch, InodeNumber inode) {
  changes_.erase(Family::unsynced, encoding::unsynced_key(epoch, inode));
}

void Batch::put_prefetch(const PrefetchRecord& record) {
  changes_.put(Family::prefetch, encoding::sequence_key(record.id), encode(record));
}

void Batch::put_prefetch_item(uint64_t id, uint64_t index, const PrefetchItem& item) {
  changes_.put(Family::prefetch, encoding::prefetch_item_key(id, index), encode(item));
}

void Batch::erase_prefetch_item(uint64_t id, uint64_t index) {
  changes_.erase(Family::prefetch, encoding::prefetch_item_key(id, index));
}

void Batch::erase_prefetch(uint64_t id) {
  changes_.erase(Family::prefetch, encoding::sequence_key(id));
}

void Batch::put_lease(InodeNumber inode, const LeaseRecord& record) {
  changes_.put(Family::lease, encoding::lease_key(inode, record.owner), encode(record));
}

void Batch::erase_lease(InodeNumber inode, std::string_view owner) {
  changes_.erase(Family::lease, encoding::lease_key(inode, owner));
}

void Batch::put_heat(InodeNumber inode, Timestamp last_use) {
  changes_.put(Family::heat, encoding::inode_key(inode), encode(last_use));
}

void Batch::erase_heat(InodeNumber inode) {
  changes_.erase(Family::heat, encoding::inode_key(inode));
}

void Batch::put_reply(const ReplyRecord& record) {
  changes_.put(Family::answer, encoding::answer_key(record.start, record.worker), encode(record));
}

void Batch::erase_reply(uint64_t start, uint64_t worker) {
  changes_.erase(Family::answer, encoding::answer_key(start, worker));
}

void Batch::put_run(std::string_view run, std::string_view json) {
  changes_.put(Family::run, std::string(run), encoding::encode_text(json));
}

void Batch::put_meta(std::string_view key, std::string_view value) {
  changes_.put(Family::meta, std::string(key), encoding::encode_text(value));
}

void Batch::erase_record(Family family, std::string_view key) {
  changes_.erase(family, std::string(key));
}

}  // namespace tierhub
