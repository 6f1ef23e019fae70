#include "catalog/encoding.h"

#include <fmt/format.h>

#include "common/bytes.h"

namespace tierhub::encoding {
namespace {

// Bits of the flags byte of an inode record.
constexpr uint8_t kWriting = 1;
constexpr uint8_t kContentUnknown = 2;
constexpr uint8_t kArchived = 4;
constexpr uint8_t kHasObject = 8;
constexpr uint8_t kPendingTruncate = 16;
constexpr uint8_t kInodeFlags = 31;

constexpr uint32_t kPermissionBits = 07777;

Error damaged(std::string_view what) {
  return Error(std::errc::bad_message, fmt::format("the catalog is damaged: {}", what));
}

// A prefetch has this version if it needs one of the fields that the first version lacks.
constexpr uint8_t kPrefetchVersion = 2;
constexpr uint8_t kVersionWithContentCtime = 2;

// Starts a record.
ByteWriter record_writer(uint8_t version = kRecordVersion) {
  ByteWriter out;
  out.u8(version);
  return out;
}

// Reads a record: the version byte first, then what `read` takes. Nothing may be missing or left
// over; `read` answers false for a value that no writer makes.
template <class Record, class Read>
Result<Record> decode_versions(std::string_view what, std::string_view bytes, uint8_t newest,
                               Read read) {
  ByteReader in(bytes);
  const uint8_t version = in.u8();
  if (in.ok() && version > newest) {
    return Error(
        std::errc::bad_message,
        fmt::format("{} record has version {}, this TierHub reads up to {}: install a newer one",
                    what, version, newest));
  }
  Record record{};
  const bool valid = version != 0 && read(in, record, version);
  if (!valid || !in.complete())
    return damaged(fmt::format("{} record of {} bytes", what, bytes.size()));
  return record;
}

template <class Record, class Read>
Result<Record> decode_record(std::string_view what, std::string_view bytes, Read read) {
  return decode_versions<Record>(
      what, bytes, kRecordVersion,
      [&](ByteReader& in, Record& record, uint8_t) { return read(in, record); });
}

// Reads an enum whose values run from `first` to `last`.
template <class Enum>
bool read_enum(ByteReader& in, Enum& value, Enum first, Enum last) {
  const uint8_t number = in.u8();
  if (number < static_cast<uint8_t>(first) || number > static_cast<uint8_t>(last)) return false;
  value = static_cast<Enum>(number);
  return true;
}

bool read_flag(ByteReader& in, bool& value) {
  const uint8_t number = in.u8();
  value = number == 1;
  return number <= 1;
}

bool read_kind(ByteReader& in, FileKind& kind) {
  return read_enum(in, kind, FileKind::file, FileKind::block_device);
}

bool is_device(FileKind kind) {
  return kind == FileKind::character_device || kind == FileKind::block_device;
}

void write_attributes(ByteWriter& out, const Attributes& a) {
  out.u8(static_cast<uint8_t>(a.kind))
      .u16(static_cast<uint16_t>(a.mode & kPermissionBits))
      .u32(a.uid)
      .u32(a.gid);
  if (is_device(a.kind)) out.u64(a.rdev);
  out.u64(a.size_bytes).i64(a.atime.ns).i64(a.mtime.ns).i64(a.ctime.ns).i64(a.btime.ns);
}

bool read_attributes(ByteReader& in, Attributes& a) {
  if (!read_kind(in, a.kind)) return false;
  a.mode = in.u16();
  a.uid = in.u32();
  a.gid = in.u32();
  if (is_device(a.kind)) a.rdev = in.u64();
  a.size_bytes = in.u64();
  a.atime.ns = in.i64();
  a.mtime.ns = in.i64();
  a.ctime.ns = in.i64();
  a.btime.ns = in.i64();
  return a.mode <= kPermissionBits;
}

void write_name(ByteWriter& out, const Name& name) { out.u64(name.parent.value()).text(name.name); }

Name read_name(ByteReader& in) {
  const InodeNumber parent{in.u64()};
  return {parent, in.text()};
}

// Reads a key of which `read` takes all.
template <class Key, class Read>
Result<Key> decode_key(std::string_view what, std::string_view bytes, Read read) {
  ByteReader in(bytes);
  Key key{};
  const bool valid = read(in, key);
  if (!valid || !in.ok()) return damaged(fmt::format("{} key of {} bytes", what, bytes.size()));
  return key;
}

// The rest of a key.
std::string read_rest(ByteReader& in) { return std::string(in.raw(in.rest().size())); }

}  // namespace

std::string prefix_end(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && end.back() == '\xff') end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<uint8_t>(end.back()) + 1);
  return end;
}

std::string after(std::string key) {
  key.push_back('\0');
  return key;
}

std::string inode_key(InodeNumber inode) { return sequence_key(inode.value()); }
std::string sequence_key(uint64_t sequence) { return ByteWriter().u64(sequence).take(); }
std::string dirent_prefix(InodeNumber parent) { return inode_key(parent); }

std::string dirent_key(InodeNumber parent, uint64_t cookie, std::string_view name) {
  return ByteWriter().u64(parent.value()).u64(cookie).raw(name).take();
}

std::string name_key(InodeNumber parent, std::string_view name) {
  return ByteWriter().u64(parent.value()).raw(name).take();
}

std::string link_key(InodeNumber inode, InodeNumber parent, std::string_view name) {
  return ByteWriter().u64(inode.value()).u64(parent.value()).raw(name).take();
}

std::string xattr_key(InodeNumber inode, std::string_view name) { return name_key(inode, name); }
std::string lease_key(InodeNumber inode, std::string_view owner) { return name_key(inode, owner); }

std::string residency_prefix(InodeNumber inode, RangeKind kind) {
  return ByteWriter().u64(inode.value()).u8(static_cast<uint8_t>(kind)).take();
}

std::string residency_key(InodeNumber inode, RangeKind kind, uint64_t begin) {
  return ByteWriter().u64(inode.value()).u8(static_cast<uint8_t>(kind)).u64(begin).take();
}

std::string checksum_key(InodeNumber inode, uint64_t group) {
  return ByteWriter().u64(inode.value()).u64(group).take();
}

std::string journal_key(const JournalKey& key) {
  return ByteWriter()
      .u8(static_cast<uint8_t>(key.kind))
      .u64(key.inode.value())
      .raw(key.name)
      .take();
}

std::string unsynced_key(uint64_t epoch, InodeNumber inode) {
  return ByteWriter().u64(epoch).u64(inode.value()).take();
}

std::string prefetch_item_key(uint64_t id, uint64_t index) {
  return ByteWriter().u64(id).u64(index).take();
}

std::string answer_key(uint64_t start, uint64_t worker) {
  return ByteWriter().u64(start).u64(worker).take();
}

Result<uint64_t> decode_number_key(std::string_view key) {
  return decode_key<uint64_t>("number", key, [](ByteReader& in, uint64_t& number) {
    number = in.u64();
    return in.rest().empty();
  });
}

Result<std::pair<uint64_t, std::string>> decode_dirent_suffix(std::string_view key) {
  using Suffix = std::pair<uint64_t, std::string>;
  return decode_key<Suffix>("dirent", key, [](ByteReader& in, Suffix& suffix) {
    in.u64();
    suffix.first = in.u64();
    suffix.second = read_rest(in);
    return !suffix.second.empty();
  });
}

Result<DirentKey> decode_dirent_key(std::string_view key) {
  return decode_key<DirentKey>("dirent", key, [](ByteReader& in, DirentKey& read) {
    read.parent = InodeNumber{in.u64()};
    in.u64();
    read.name = in.rest();
    return !read.name.empty();
  });
}

Result<Name> decode_name_key(std::string_view key) {
  return decode_key<Name>("name", key, [](ByteReader& in, Name& name) {
    name.parent = InodeNumber{in.u64()};
    name.name = read_rest(in);
    return !name.name.empty();
  });
}

Result<Name> decode_link_suffix(std::string_view key) {
  return decode_key<Name>("link", key, [](ByteReader& in, Name& name) {
    in.u64();
    name.parent = InodeNumber{in.u64()};
    name.name = read_rest(in);
    return !name.name.empty();
  });
}

Result<std::string> decode_text_suffix(std::string_view key) {
  return decode_key<std::string>("xattr or lease", key, [](ByteReader& in, std::string& text) {
    in.u64();
    text = read_rest(in);
    return true;
  });
}

Result<ResidencyKey> decode_residency_key(std::string_view key) {
  return decode_key<ResidencyKey>("residency", key, [](ByteReader& in, ResidencyKey& out) {
    out.inode = InodeNumber{in.u64()};
    if (!read_enum(in, out.kind, RangeKind::clean, RangeKind::dirty)) return false;
    out.begin = in.u64();
    return in.rest().empty();
  });
}

Result<JournalKey> decode_journal_key(std::string_view key) {
  return decode_key<JournalKey>("journal", key, [](ByteReader& in, JournalKey& out) {
    if (!read_enum(in, out.kind, JournalKeyKind::inode, JournalKeyKind::entry)) return false;
    out.inode = InodeNumber{in.u64()};
    out.name = read_rest(in);
    return out.name.empty() == (out.kind == JournalKeyKind::inode);
  });
}

Result<std::pair<uint64_t, uint64_t>> decode_pair_key(std::string_view key) {
  using Pair = std::pair<uint64_t, uint64_t>;
  return decode_key<Pair>("number pair", key, [](ByteReader& in, Pair& pair) {
    pair.first = in.u64();
    pair.second = in.u64();
    return in.rest().empty();
  });
}

std::string encode(const InodeRecord& record) {
  uint8_t flags = 0;
  if (record.writing) flags |= kWriting;
  if (record.content == Content::unknown) flags |= kContentUnknown;
  if (record.archived) flags |= kArchived;
  if (record.has_object) flags |= kHasObject;
  if (record.pending_truncate) flags |= kPendingTruncate;
  ByteWriter out = record_writer();
  out.u8(flags);
  write_attributes(out, record.attributes);
  out.u32(record.nlink).u64(record.generation.value()).u64(record.archive_limit_bytes);
  if (record.pending_truncate)
    out.u64(record.pending_truncate->from_bytes).u64(record.pending_truncate->to_bytes);
  if (record.attributes.kind == FileKind::symlink) out.text(record.symlink_target);
  return out.take();
}

Result<InodeRecord> decode_inode(std::string_view bytes) {
  return decode_record<InodeRecord>("inode", bytes, [](ByteReader& in, InodeRecord& record) {
    const uint8_t flags = in.u8();
    if ((flags & ~kInodeFlags) != 0 || !read_attributes(in, record.attributes)) return false;
    record.writing = (flags & kWriting) != 0;
    record.content = (flags & kContentUnknown) != 0 ? Content::unknown : Content::known;
    record.archived = (flags & kArchived) != 0;
    record.has_object = (flags & kHasObject) != 0;
    record.nlink = in.u32();
    record.generation = Generation{in.u64()};
    record.archive_limit_bytes = in.u64();
    if ((flags & kPendingTruncate) != 0) {
      record.pending_truncate.emplace();
      record.pending_truncate->from_bytes = in.u64();
      record.pending_truncate->to_bytes = in.u64();
    }
    if (record.attributes.kind == FileKind::symlink) record.symlink_target = in.text();
    return true;
  });
}

std::string encode(InodeNumber inode) { return encode_number(inode.value()); }

Result<InodeNumber> decode_dirent(std::string_view bytes) {
  return decode_record<InodeNumber>("dirent", bytes, [](ByteReader& in, InodeNumber& inode) {
    inode = InodeNumber{in.u64()};
    return inode != kNoInode;
  });
}

std::string encode_mark() { return record_writer().take(); }

Result<void> decode_mark(std::string_view bytes) {
  TRY(decode_record<bool>("mark", bytes, [](ByteReader&, bool&) { return true; }));
  return {};
}

std::string encode_text(std::string_view text) { return record_writer().raw(text).take(); }

Result<std::string> decode_text(std::string_view bytes) {
  return decode_record<std::string>("text", bytes, [](ByteReader& in, std::string& text) {
    text = read_rest(in);
    return true;
  });
}

std::string encode_number(uint64_t number) { return record_writer().u64(number).take(); }

Result<uint64_t> decode_number(std::string_view bytes) {
  return decode_record<uint64_t>("number", bytes, [](ByteReader& in, uint64_t& number) {
    number = in.u64();
    return true;
  });
}

std::string encode(const ChecksumGroup& record) {
  static_assert(kChecksumsPerRecord == 64, "one bit each in a u64");
  uint64_t present = 0;
  for (size_t i = 0; i < record.chunks.size(); ++i) {
    if (record.chunks[i]) present |= uint64_t{1} << i;
  }
  ByteWriter out = record_writer();
  out.u64(present);
  for (const auto& chunk : record.chunks) {
    if (chunk) out.u64(chunk->high).u64(chunk->low);
  }
  return out.take();
}

Result<ChecksumGroup> decode_checksums(std::string_view bytes) {
  return decode_record<ChecksumGroup>("checksum", bytes, [](ByteReader& in, ChecksumGroup& record) {
    const uint64_t present = in.u64();
    for (size_t i = 0; i < record.chunks.size(); ++i) {
      if ((present >> i & 1) == 0) continue;
      Checksum& chunk = record.chunks[i].emplace();
      chunk.high = in.u64();
      chunk.low = in.u64();
    }
    return true;
  });
}

std::string encode(const BaseRecord& record) {
  return record_writer().u64(record.inode.value()).u8(static_cast<uint8_t>(record.kind)).take();
}

Result<BaseRecord> decode_base(std::string_view bytes) {
  return decode_record<BaseRecord>("base", bytes, [](ByteReader& in, BaseRecord& record) {
    record.inode = InodeNumber{in.u64()};
    return read_kind(in, record.kind) && record.inode != kNoInode;
  });
}

// What has no ctime of its content is written as the first version, which has none.
std::string encode(const ArchiveVersion& record) {
  ByteWriter out = record_writer(record.content_ctime ? kVersionWithContentCtime : kRecordVersion);
  out.text(record.identity.bytes);
  write_attributes(out, record.attributes);
  out.u32(record.nlink).u64(record.device);
  if (record.content_ctime) out.i64(record.content_ctime->ns);
  return out.take();
}

Result<ArchiveVersion> decode_version(std::string_view bytes) {
  return decode_versions<ArchiveVersion>(
      "version", bytes, kVersionWithContentCtime,
      [](ByteReader& in, ArchiveVersion& record, uint8_t version) {
        record.identity.bytes = in.text();
        if (!read_attributes(in, record.attributes)) return false;
        record.nlink = in.u32();
        record.device = in.u64();
        if (version == kVersionWithContentCtime) record.content_ctime = Timestamp{in.i64()};
        return true;
      });
}

std::string encode(const JournalRecord& record) {
  return record_writer().i64(record.since.ns).text(record.parked_reason).take();
}

Result<JournalRecord> decode_journal(std::string_view bytes) {
  return decode_record<JournalRecord>("journal", bytes, [](ByteReader& in, JournalRecord& record) {
    record.since.ns = in.i64();
    record.parked_reason = in.text();
    return true;
  });
}

std::string encode(const IntentRecord& record) {
  ByteWriter out = record_writer();
  out.u8(static_cast<uint8_t>(record.kind))
      .u64(record.inode.value())
      .u64(record.generation.value());
  write_name(out, record.source);
  write_name(out, record.target);
  out.text(record.staged_leaf).text(record.before.bytes).text(record.after.bytes);
  return out.take();
}

Result<IntentRecord> decode_intent(std::string_view bytes) {
  return decode_record<IntentRecord>("intent", bytes, [](ByteReader& in, IntentRecord& record) {
    if (!read_enum(in, record.kind, IntentKind::place, IntentKind::remove)) return false;
    record.inode = InodeNumber{in.u64()};
    record.generation = Generation{in.u64()};
    record.source = read_name(in);
    record.target = read_name(in);
    record.staged_leaf = in.text();
    record.before.bytes = in.text();
    record.after.bytes = in.text();
    return true;
  });
}

std::string encode(ReapKind kind) { return record_writer().u8(static_cast<uint8_t>(kind)).take(); }

Result<ReapKind> decode_reap(std::string_view bytes) {
  return decode_record<ReapKind>("reap", bytes, [](ByteReader& in, ReapKind& kind) {
    return read_enum(in, kind, ReapKind::inode, ReapKind::object);
  });
}

std::string encode(const DepartureRecord& record) {
  return record_writer().u8(static_cast<uint8_t>(record.how)).text(record.path).take();
}

Result<DepartureRecord> decode_departure(std::string_view bytes) {
  using How = DepartureRecord::How;
  return decode_record<DepartureRecord>(
      "departure", bytes, [](ByteReader& in, DepartureRecord& record) {
        if (!read_enum(in, record.how, How::removed, How::replaced)) return false;
        record.path = in.text();
        return true;
      });
}

namespace {

bool needs_second_version(const PrefetchRecord& record) {
  return record.state == PrefetchState::parked || record.urgency != PrefetchUrgency::task ||
         record.crashed_starts > 0;
}

}  // namespace

// An older TierHub reads what needs nothing new.
std::string encode(const PrefetchRecord& record) {
  const bool second = needs_second_version(record);
  ByteWriter out = record_writer(second ? kPrefetchVersion : kRecordVersion);
  out.u8(static_cast<uint8_t>(record.state)).u32(record.owner_uid).text(record.label);
  out.i64(record.created.ns).i64(record.ended.ns);
  out.u64(record.total_bytes).u64(record.total_files).u64(record.failed_files);
  out.text(record.first_error).text(record.lease_owner).u64(record.lease_ttl_s);
  if (second) out.u8(static_cast<uint8_t>(record.urgency)).u32(record.crashed_starts);
  return out.take();
}

Result<PrefetchRecord> decode_prefetch(uint64_t id, std::string_view bytes) {
  return decode_versions<PrefetchRecord>(
      "prefetch", bytes, kPrefetchVersion,
      [id](ByteReader& in, PrefetchRecord& record, uint8_t version) {
        record.id = id;
        const bool second = version == kPrefetchVersion;
        const auto last_state = second ? PrefetchState::parked : PrefetchState::cancelled;
        if (!read_enum(in, record.state, PrefetchState::queued, last_state)) return false;
        record.owner_uid = in.u32();
        record.label = in.text();
        record.created.ns = in.i64();
        record.ended.ns = in.i64();
        record.total_bytes = in.u64();
        record.total_files = in.u64();
        record.failed_files = in.u64();
        record.first_error = in.text();
        record.lease_owner = in.text();
        record.lease_ttl_s = in.u64();
        if (!second) return true;
        if (!read_enum(in, record.urgency, PrefetchUrgency::task, PrefetchUrgency::later))
          return false;
        record.crashed_starts = in.u32();
        return needs_second_version(record);
      });
}

std::string encode(const PrefetchItem& record) {
  ByteWriter out = record_writer();
  out.u64(record.inode.value()).u32(static_cast<uint32_t>(record.ranges.size()));
  for (const ByteRange& range : record.ranges) out.u64(range.begin).u64(range.end);
  return out.take();
}

Result<PrefetchItem> decode_prefetch_item(std::string_view bytes) {
  return decode_record<PrefetchItem>("prefetch item", bytes,
                                     [](ByteReader& in, PrefetchItem& record) {
                                       record.inode = InodeNumber{in.u64()};
                                       const uint32_t count = in.u32();
                                       // The count is checked against what is there before memory
                                       // is taken for it.
                                       if (in.rest().size() != uint64_t{count} * 16) return false;
                                       record.ranges.resize(count);
                                       for (ByteRange& range : record.ranges) {
                                         range.begin = in.u64();
                                         range.end = in.u64();
                                       }
                                       return true;
                                     });
}

std::string encode(const LeaseRecord& record) {
  return record_writer()
      .flag(record.pin)
      .text(record.reason)
      .i64(record.created.ns)
      .i64(record.expires.ns)
      .take();
}

Result<LeaseRecord> decode_lease(std::string_view owner, std::string_view bytes) {
  return decode_record<LeaseRecord>("lease", bytes, [owner](ByteReader& in, LeaseRecord& record) {
    record.owner = owner;
    if (!read_flag(in, record.pin)) return false;
    record.reason = in.text();
    record.created.ns = in.i64();
    record.expires.ns = in.i64();
    return true;
  });
}

std::string encode(Timestamp time) { return record_writer().i64(time.ns).take(); }

Result<Timestamp> decode_heat(std::string_view bytes) {
  return decode_record<Timestamp>("heat", bytes, [](ByteReader& in, Timestamp& time) {
    time.ns = in.i64();
    return true;
  });
}

std::string encode(const ReplyRecord& record) {
  return record_writer().u64(record.session).u64(record.unique).u64(record.inode.value()).take();
}

Result<ReplyRecord> decode_reply(uint64_t start, uint64_t worker, std::string_view bytes) {
  return decode_record<ReplyRecord>("answer", bytes, [=](ByteReader& in, ReplyRecord& record) {
    record.start = start;
    record.worker = worker;
    record.session = in.u64();
    record.unique = in.u64();
    record.inode = InodeNumber(in.u64());
    return true;
  });
}

}  // namespace tierhub::encoding
