// What the catalog stores, as values. How they are encoded: catalog/encoding.h and docs/ON_DISK.md.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/hash.h"
#include "common/interval_set.h"
#include "common/types.h"

namespace tierhub {

enum class FileKind : uint8_t {
  file = 1,
  directory,
  symlink,
  fifo,
  socket,
  character_device,
  block_device
};

// What stat shows. `mode` has the twelve permission bits only.
struct Attributes {
  FileKind kind = FileKind::file;
  uint32_t mode = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint64_t rdev = 0;
  uint64_t size_bytes = 0;  // of a symlink: length of its target
  Timestamp atime;
  Timestamp mtime;
  Timestamp ctime;
  Timestamp btime;
  bool operator==(const Attributes&) const = default;
};

// Where the newest content of a file is.
enum class Content : uint8_t {
  // Nothing, or only ranges listed as dirty, differ from the archived version.
  known = 0,
  // Any byte may differ from the archived version, or there is no archived version. The object is
  // whole.
  unknown = 1,
};

// A truncation that is committed and may not have reached the object yet: recovery repeats it.
struct PendingTruncate {
  uint64_t from_bytes = 0;
  uint64_t to_bytes = 0;
  bool operator==(const PendingTruncate&) const = default;
};

struct InodeRecord {
  Attributes attributes;
  uint32_t nlink = 1;
  Generation generation;
  // A writable open was granted and is not yet known to have ended: size and mtime are the
  // object's.
  bool writing = false;
  Content content = Content::known;
  // The archive has a version of this file's content (CF `version` says which).
  bool archived = false;
  // An object stands in scratch.
  bool has_object = false;
  // Smallest size since the archived version: nothing of the archive at or beyond it is ever
  // recalled.
  uint64_t archive_limit_bytes = 0;
  std::optional<PendingTruncate> pending_truncate;
  std::string symlink_target;
  bool operator==(const InodeRecord&) const = default;
};

struct DirectoryEntry {
  uint64_t cookie = 0;  // name_hash(name): stable; two names may share one
  std::string name;
  InodeNumber inode;
};

// A name of an inode.
struct Name {
  InodeNumber parent;
  std::string name;
  bool operator==(const Name&) const = default;
  auto operator<=>(const Name&) const = default;
};

// Tells one file of the archive from any other, also from a later one with the same inode number:
// the file handle where the file system has them, else inode number and birth time. Opaque; compare
// only.
struct Identity {
  std::string bytes;
  bool operator==(const Identity&) const = default;
  bool empty() const { return bytes.empty(); }
};

// A file of the archive as stat shows it.
struct ArchiveVersion {
  Identity identity;
  Attributes attributes;  // atime and btime are not compared
  uint32_t nlink = 1;
  uint64_t device = 0;
  // Of a file: the ctime at which its content was known to be the one on record. Later ones are of
  // acts of others that need not have left the content as it was, though size and mtime stand.
  // None: the file system keeps no ctime that tells anything, or nobody noted it.
  std::optional<Timestamp> content_ctime = {};
  bool operator==(const ArchiveVersion&) const = default;
  // Somebody did something to it that may have changed its content without a trace in size and
  // mtime.
  bool is_touched_since(const ArchiveVersion& on_record) const {
    return content_ctime && on_record.content_ctime && *content_ctime != *on_record.content_ctime;
  }
  // Same file with the same content, as far as stat can tell: identity, kind, size, mtime.
  // ctime is left out: links and renames of others change it.
  bool same_content(const ArchiveVersion& other) const {
    return identity == other.identity && attributes.kind == other.attributes.kind &&
           attributes.size_bytes == other.attributes.size_bytes &&
           attributes.mtime == other.attributes.mtime;
  }
};

enum class RangeKind : uint8_t {
  clean = 1,  // in chunks: resident, equal to the archived version but for dirty bytes
  dirty = 2,  // in bytes: newer than the archived version
};

inline constexpr uint64_t kChecksumsPerRecord = 64;
struct ChecksumGroup {
  std::array<std::optional<Checksum>, kChecksumsPerRecord> chunks;
  bool operator==(const ChecksumGroup&) const = default;
};

enum class JournalKeyKind : uint8_t { inode = 1, entry = 2 };

// Something whose archive state differs, or may differ, from the namespace.
struct JournalKey {
  JournalKeyKind kind = JournalKeyKind::inode;
  InodeNumber inode;  // of an entry: the parent
  std::string name;   // of an inode: empty
  static JournalKey of_inode(InodeNumber inode) { return {JournalKeyKind::inode, inode, {}}; }
  static JournalKey of_entry(InodeNumber parent, std::string name) {
    return {JournalKeyKind::entry, parent, std::move(name)};
  }
  bool operator==(const JournalKey&) const = default;
  auto operator<=>(const JournalKey&) const = default;
};

struct JournalRecord {
  Timestamp since;
  // Not empty: the key failed for a reason of its own and waits. Every change of the same key
  // clears it.
  std::string parked_reason;
  bool operator==(const JournalRecord&) const = default;
};

// Which step on the archive an intent announces.
enum class IntentKind : uint8_t {
  // `staged` (with identity `after`) goes to `target`; `before` is what stands there now (empty
  // identity: nothing).
  place = 1,
  // `source` moves to `target`; `before` is what stands at the target (empty: nothing), `after` is
  // the moved one.
  move = 2,
  // A further name `target` for the file `after`, which stands at `source`; `before` as above.
  link = 3,
  // What stands at `target` (with identity `before`) is removed.
  remove = 4,
};

struct IntentRecord {
  IntentKind kind = IntentKind::place;
  InodeNumber inode;
  Generation generation;
  Name source;              // move, link: a name in base
  Name target;              // a name in base: parent inode and leaf name
  std::string staged_leaf;  // leaf name in the staging folder: place, and where a removed or
                            // replaced one rests
  Identity before;
  Identity after;
  bool operator==(const IntentRecord&) const = default;
};

struct BaseRecord {
  InodeNumber inode;
  FileKind kind = FileKind::file;
  bool operator==(const BaseRecord&) const = default;
};

enum class ReapKind : uint8_t {
  inode = 1,   // the inode has no name: remove record, residency, checksums and object once unused
  object = 2,  // the object is no longer needed (evicted): remove it
};

// How an inode lost its last name here while the archive has it still.
struct DepartureRecord {
  enum class How : uint8_t {
    removed = 1,   // by unlink or rmdir: also what has no record
    replaced = 2,  // something was renamed over it
  };
  How how = How::removed;
  // Its path in the archive before the publisher made room for something else there. Empty: it is
  // still there.
  std::string path;
  bool operator==(const DepartureRecord&) const = default;
};

// parked: it was running in several starts in a row that all ended in a crash; it rests until
// somebody resumes or cancels it.
enum class PrefetchState : uint8_t { queued = 1, running, done, failed, cancelled, parked };

// task: somebody waits for it. later: it is for tonight, and takes a small share while others wait.
enum class PrefetchUrgency : uint8_t { task = 1, later };

struct PrefetchRecord {
  uint64_t id = 0;
  PrefetchState state = PrefetchState::queued;
  uint32_t owner_uid = 0;
  std::string label;  // what was asked for, for people
  Timestamp created;
  Timestamp ended;
  uint64_t total_bytes = 0;
  uint64_t total_files = 0;
  uint64_t failed_files = 0;
  std::string first_error;
  std::string lease_owner;  // not empty: what becomes resident is leased to it
  uint64_t lease_ttl_s = 0;
  PrefetchUrgency urgency = PrefetchUrgency::task;
  uint32_t crashed_starts = 0;  // in a row, in which it was running
  bool operator==(const PrefetchRecord&) const = default;
};

// One file of a prefetch. Empty ranges: the whole file. They are disjoint and ascending; in old
// records they may overlap.
struct PrefetchItem {
  InodeNumber inode;
  std::vector<ByteRange> ranges;
  bool operator==(const PrefetchItem&) const = default;
};

// Keeps an inode's bytes in scratch. A pin never expires.
struct LeaseRecord {
  bool pin = false;
  std::string owner;
  std::string reason;
  Timestamp created;
  Timestamp expires;  // of a lease
  bool operator==(const LeaseRecord&) const = default;
};

// A request of the kernel that was carried out, written in the batch that did it: should the
// process die before it answers, the next one finds here what to answer. Each thread that carries
// out requests has one such record, which its next request replaces.
struct ReplyRecord {
  uint64_t start = 0;   // which process of the session; part of the key
  uint64_t worker = 0;  // which of its threads; part of the key
  uint64_t session = 0;
  uint64_t unique = 0;  // the kernel's number of the request in that session
  InodeNumber inode;    // what was made; none if the answer is just "done"
  bool operator==(const ReplyRecord&) const = default;
};

}  // namespace tierhub
