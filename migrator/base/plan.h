// What one journal key asks of the archive: a comparison of the namespace with base, the archive as
// TierHub left it. It decides only by names and inodes; whether a file's content is ready is
// checked when the plan is carried out.
//
// A plan never destroys anything that has a name: an occupant that the namespace still has
// somewhere is moved, or set aside.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "inodes/inode_table.h"
#include "storage/archive/file_system_id.h"

namespace tierhub {

// A name in base and the path that it has in the archive.
struct Place {
  Name name;
  std::string path;
};

struct Occupant {
  InodeNumber inode;
  FileKind kind = FileKind::file;
  ArchiveVersion version;
};

struct Plan {
  enum class Kind {
    drop,        // namespace and base agree, or the key stands for nothing any more
    wait,        // something else comes first: `reason`, `needed`
    place,       // `inode`, which is not in base, goes to `target`
    publish,     // the content or the attributes of a file in base: to `target` and `further`
    attributes,  // those of a folder, symlink or special file at `target`
    link,        // a further name `target` for what stands at `source`
    move,        // from `source` to `target`; an occupant ends at `source`
    remove,      // what stands at `target`
  };
  Kind kind = Kind::drop;
  JournalKey key;
  InodeNumber inode;  // who is placed, published, linked, moved or removed
  FileKind inode_kind = FileKind::file;
  std::optional<ArchiveVersion> version;  // of `inode`, if it is in base
  // Of the archive, in which all of it happens.
  FileSystemId file_system;
  Place source;
  Place target;
  std::vector<Place> further;  // publish: the other names of `inode` in base
  std::optional<Occupant>
      occupant;  // place, link: displaced, then deleted; move: changes places with `inode`
  std::string reason;
  // Keys without which this one cannot get on, or that the plan gives work to. They must be in the
  // journal.
  std::vector<JournalKey> needed;

  // A folder moves: every path below it changes.
  bool moves_a_folder() const;
};

class Planner {
 public:
  // For as long as the tree mutex is held: it remembers where folders are in the archive.
  explicit Planner(InodeTable& inodes) : inodes_(inodes), catalog_(inodes.catalog()) {}

  // Reads only. Under the tree mutex and without inode locks. errc::bad_message if the catalog
  // contradicts itself.
  Result<Plan> plan(const JournalKey& key);

 private:
  Result<void> stay_in_one_file_system(Plan& plan) const;
  Result<Plan> plan_entry(const JournalKey& key);
  Result<Plan> plan_inode(const JournalKey& key);
  Result<Plan> plan_removal(Plan plan, InodeNumber standing);
  Result<Plan> plan_arrival(Plan plan, const std::optional<BaseRecord>& standing);
  Result<Plan> plan_move(Plan plan, const std::vector<Name>& in_base);
  Result<Plan> set_aside(Plan plan);
  Result<bool> expendable(const Occupant& occupant);
  Result<bool> still_read(InodeNumber inode);
  Result<bool> lies_below(InodeNumber folder, InodeNumber ancestor) const;
  Result<Occupant> occupant_of(const BaseRecord& standing) const;
  Result<ArchiveVersion> version_on_record(InodeNumber inode) const;
  Result<std::vector<JournalKey>> entry_keys(InodeNumber inode) const;
  Result<std::optional<Place>> place_of(const Name& name);

  InodeTable& inodes_;
  Catalog& catalog_;
  std::map<InodeNumber, std::optional<std::string>> folder_paths_;
};

// What the namespace has at `name`; nothing is in kAsideInode.
Result<std::optional<InodeNumber>> namespace_at(const Catalog& catalog, const Name& name);

}  // namespace tierhub
