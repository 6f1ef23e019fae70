// Gives objects a place in a catalog that does not know them, by what their tags say. Either the
// catalog is fresh from an import of the archive, which was given no number that an object has:
// then all objects are judged. Or it is the objects' own catalog, and lost the end of its log in a
// power cut.
//
// In the second case the log may have lost the creation of a file whose bytes are durable: a
// program can make them durable without tierd (msync or RWF_DSYNC through a passthrough
// descriptor). An object without a record belongs to an inode that was erased, or to one whose
// creation the log lost. The batch that erases an inode with an object notes it in `unsynced`,
// until a sync of scratch covers that the object is gone from its place (drop_content). So an
// object with neither a record nor a note was made after the end of the log. The order of numbers
// proves nothing: of files that are made at the same time, the greater number may be committed
// first. Objects that are empty, have no name, or were published (which made their record durable)
// are not adopted, because nobody was promised anything about them. Folders are recreated if
// something is in them.
//
// Where an object belongs:
//   the archive's file that its tag names by identity: the object's bytes are newer;
//   else its name in its folder, which is found by the folder's own object, which knows of renames,
//   else by the names that the tag has of the folders above; folders that are nowhere are made;
//   else /tierhub-recovered.
// If another file has the name, it keeps it; the object gets a name next to it. One batch adopts an
// object, which then has a record: killed at any point, adoption is repeated for the others.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "catalog/catalog.h"
#include "common/result.h"
#include "storage/archive/archive.h"
#include "storage/scratch/scratch.h"

namespace tierhub::recovery {

inline constexpr size_t kInodesInMemory = 100'000;  // of a table while a catalog is made right

struct AdoptionCounts {
  uint64_t newer = 0;       // files of the archive with newer bytes in scratch
  uint64_t added = 0;       // files that the archive has not got
  uint64_t folders = 0;     // made for them
  uint64_t recovered = 0;   // in /tierhub-recovered
  uint64_t conflicts = 0;   // beside a name that was taken
  uint64_t incomplete = 0;  // parts were only in an archived version that is gone: LOST
};

class Adoption {
 public:
  // Into a fresh catalog.
  Adoption(Catalog& catalog, const Scratch& scratch, Archive& archive)
      : catalog_(catalog), scratch_(scratch), archive_(&archive) {}
  // Into the objects' own.
  Adoption(Catalog& catalog, const Scratch& scratch)
      : catalog_(catalog), scratch_(scratch), archive_(nullptr) {}

  // Reads all tags, and adopts every object with bytes that may be nowhere else.
  Result<AdoptionCounts> run();
  // Into the objects' own catalog: of `objects`, which no record wants, those that it has
  // forgotten.
  Result<AdoptionCounts> run_forgotten(std::vector<InodeNumber> objects);
  // Objects that were adopted: their tags are out of date.
  const std::vector<InodeNumber>& adopted() const { return adopted_; }

 private:
  using Folders = std::vector<std::pair<InodeNumber, std::string>>;

  Result<void> read_tags();
  Result<void> read_tag(InodeNumber inode);
  Result<bool> may_be_promised(InodeNumber inode, const ObjectTag& tag) const;
  Result<void> give_object(InodeNumber inode, const InodeRecord& record);
  Result<void> find_identities();
  Result<bool> is_archived_as_tagged(const ObjectTag& tag) const;

  Result<void> adopt(InodeNumber inode, const ObjectTag& tag);
  Result<void> adopt_newer(InodeNumber inode, const ObjectTag& tag, InodeNumber archived);
  Result<void> adopt_new(InodeNumber inode, const ObjectTag& tag);
  Result<void> take_over(InodeNumber inode, InodeNumber archived, InodeRecord record, Batch& batch);
  Result<void> move_to(InodeNumber inode, const ObjectTag& tag, Batch& batch);
  Result<void> add_further_names(InodeNumber inode, const ObjectTag& tag);
  Result<InodeRecord> record_of(InodeNumber inode, const ObjectTag& tag, Batch& batch);
  Result<bool> equals_archived(InodeNumber object, InodeNumber archived);

  // The folder of the new catalog for one of the old; none: nobody knows where it was.
  Result<std::optional<InodeNumber>> folder_for(InodeNumber old, const Folders& above,
                                                bool from_root);
  Result<std::optional<InodeNumber>> tagged_folder(InodeNumber old, const ObjectTag& tag);
  Result<InodeNumber> find_or_make(InodeNumber parent, const std::string& name,
                                   const std::function<Result<InodeNumber>()>& make);
  Result<InodeNumber> make_folder(InodeNumber parent, const std::string& name, InodeNumber number,
                                  const InodeRecord& record);

  Catalog& catalog_;
  const Scratch& scratch_;
  Archive* const archive_;  // null: the catalog is the objects' own, and tags name its numbers
  AdoptionCounts counts_;
  std::unordered_map<InodeNumber, ObjectTag> folder_tags_;
  std::vector<std::pair<InodeNumber, ObjectTag>> files_;
  std::unordered_map<std::string, InodeNumber>
      archived_;  // by identity, of those that are asked for
  std::unordered_map<InodeNumber, std::optional<InodeNumber>> folders_;  // old -> new
  std::vector<InodeNumber> adopted_;
};

// After lost power: Evictor::adopt_forgotten.
Result<void> adopt_forgotten(Catalog& catalog, const Scratch& scratch,
                             const std::vector<InodeNumber>& objects);

// Writes the tags of these objects by what the catalog says of them, and syncs them. No inode of
// theirs is in memory elsewhere.
Result<void> write_tags(Catalog& catalog, const Scratch& scratch,
                        const std::vector<InodeNumber>& inodes);

}  // namespace tierhub::recovery
