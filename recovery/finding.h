// What a check of the catalog and of scratch can find: one line for people, one code for programs.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "catalog/catalog.h"
#include "common/types.h"

namespace tierhub::recovery {

// damage: something that TierHub never writes. note: worth knowing, and nothing is wrong.
enum class Severity : uint8_t { damage, note };

// id, code (part of the contract with scripts), severity, what it means, what --repair does.
#define TIERHUB_FINDINGS(X)                                                                        \
  X(record_damaged, "record.damaged", damage, "a record of the catalog cannot be read",            \
    "remove the record; take its contents from other records where possible")                      \
  X(meta_damaged, "meta.damaged", damage, "the catalog's own numbers are missing or wrong",        \
    "nothing: build a new catalog with --rebuild")                                                 \
  X(inode_number, "inode.number", damage,                                                          \
    "the number was never reserved, and could be assigned"                                         \
    " again",                                                                                      \
    "reserve it")                                                                                  \
  X(root_missing, "root.missing", damage, "the namespace has no root folder", "make one")          \
  X(inode_missing, "inode.missing", damage, "it has a name or children, but no record",            \
    "recreate the record from its object or the archive's version; with neither, remove its "      \
    "names")                                                                                       \
  X(inode_nameless, "inode.nameless", damage, "it has no name, but was not removed",               \
    "give it one in /tierhub-recovered")                                                           \
  X(inode_unreaped, "inode.unreaped", damage, "it was removed, but nothing will free it",          \
    "mark it for removal")                                                                         \
  X(inode_links, "inode.links", damage, "its link count is wrong", "set it")                       \
  X(folder_loop, "folder.loop", damage, "the folder is inside itself",                             \
    "move it to /tierhub-recovered")                                                               \
  X(folder_names, "folder.names", damage, "the folder has several names", "keep the first one")    \
  X(entry_cookie, "dirent.cookie", damage, "the entry is stored under the hash of another name",   \
    "store it again")                                                                              \
  X(entry_parent, "dirent.parent", damage, "the entry is in something that is not a folder",       \
    "remove the entry; give its inode a name in /tierhub-recovered")                               \
  X(entry_link, "dirent.link", damage, "the entry is not found by its inode", "write the link")    \
  X(link_entry, "link.dirent", damage, "the inode's name is not in its folder",                    \
    "write the entry, or forget the name if it is taken or its folder is gone")                    \
  X(record_dangling, "record.dangling", damage, "the record belongs to nothing that exists",       \
    "remove it")                                                                                   \
  X(residency_ranges, "residency.ranges", damage, "its ranges in scratch overlap or are invalid",  \
    "join the dirty ones, drop the clean ones")                                                    \
  X(residency_unarchived, "residency.unarchived", damage,                                          \
    "bytes are recorded as equal to an archived version that is not on record",                    \
    "record them as new")                                                                          \
  X(content_unreachable, "content.unreachable", damage,                                            \
    "parts of it are only in the archive, but no record says where",                               \
    "forget it; the next scan takes it in again; nothing if it also has new bytes")                \
  X(object_missing, "object.missing", damage,                                                      \
    "its object is missing; all of it is in the archive", "record it as cold")                     \
  X(object_lost, "object.lost", damage,                                                            \
    "LOST: its object is missing, and held bytes that are nowhere else",                           \
    "go back to the archive's version; with none, remove its names")                               \
  X(object_short, "object.short", damage, "its object is shorter than its resident ranges",        \
    "drop clean chunks; take the object's size where it is the only copy")                         \
  X(object_stray, "object.stray", damage, "an object that no record refers to",                    \
    "adopt it at its place if it has unpublished bytes, else remove it")                           \
  X(object_tag, "object.tag", damage,                                                              \
    "the object does not name its file, or marks new bytes as clean", "write its tag again")       \
  X(chunk_differs, "chunk.differs", damage, "a clean chunk differs from the archived version",     \
    "drop it; it is fetched again when it is read")                                                \
  X(chunk_lost, "chunk.lost", damage,                                                              \
    "LOST: a clean chunk differs from its checksum, and the archive no longer has that version",   \
    "nothing: restore the file in the archive")                                                    \
  X(base_link, "base.link", damage, "the record of the archive's tree contradicts itself",         \
    "write it again from the half that exists")                                                    \
  X(base_version, "base.version", damage, "an entry of the archive has no version on record",      \
    "forget it; the next scan takes it in again")                                                  \
  X(base_parent, "base.parent", damage,                                                            \
    "an entry of the archive is in a folder that is not on record",                                \
    "forget it; the next scan takes it in again")                                                  \
  X(journal_missing, "journal.missing", damage, "it differs from the archive, but no key says so", \
    "write the key; forget what only the archive has, so that the next scan takes it in again")    \
  X(archive_differs, "archive.differs", note, "the archive's copy is not the version on record",   \
    "nothing: run `tierctl scan`")                                                                 \
  X(left_to_tierd, "start.pending", note, "left by an unclean stop; the next start handles it",    \
    "nothing")

enum class FindingCode : uint8_t {
#define X(id, code, severity, meaning, remedy) id,
  TIERHUB_FINDINGS(X)
#undef X
};

struct FindingKind {
  std::string_view code;
  Severity severity;
  std::string_view meaning;
  std::string_view remedy;
};

inline constexpr std::array kFindingKinds = {
#define X(id, code, severity, meaning, remedy) \
  FindingKind{code, Severity::severity, meaning, remedy},
    TIERHUB_FINDINGS(X)
#undef X
};

constexpr const FindingKind& kind_of(FindingCode code) {
  return kFindingKinds[static_cast<size_t>(code)];
}

// How a finding is repaired. apply: by its batch. Of the others, see repair.cpp.
enum class Remedy : uint8_t {
  none,
  apply,
  reserve_number,
  recreate_inode,
  recover_nameless,
  break_loop,
  join_ranges,
  count_as_new,
  forget_inode,
  drop_object,
  lose_object,
  take_object_size,
  adopt_object,
  write_tag,
  drop_chunk,
};

struct Finding {
  FindingCode code;
  InodeNumber inode;
  std::string path;    // in the namespace; empty: nobody knows
  std::string detail;  // what of it: a record, a count, a chunk
  Remedy remedy = Remedy::none;
  Batch fix;
  uint64_t chunk = 0;  // of drop_chunk

  const FindingKind& kind() const { return kind_of(code); }
  bool is_damage() const { return kind().severity == Severity::damage; }
};

}  // namespace tierhub::recovery
