// Gives objects a place in a catalog that does not know them, by what their tags say. The catalog
// is fresh from an import of the archive, which was given no number that an object has.
//
// Where an object belongs:
//   the file of the archive that its tag names by identity: the object's bytes are newer;
//   else its name in its folder, which is found by the folder's own object, which knows of renames,
//   else by the names that the tag has of the folders above; folders that are nowhere are made;
//   else /tierhub-recovered.
// A name that is taken by something else stays with that; the object gets a name beside it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "catalog/catalog.h"
#include "common/result.h"
#include "storage/archive.h"
#include "storage/scratch.h"

namespace tierhub::recovery {

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
  Adoption(Catalog& catalog, const Scratch& scratch, Archive& archive)
      : catalog_(catalog), scratch_(scratch), archive_(archive) {}

  // Reads all tags, and adopts every object with bytes that may be nowhere else.
  Result<AdoptionCounts> run();
  // Objects that run() adopted: their tags are out of date.
  const std::vector<InodeNumber>& adopted() const { return adopted_; }

 private:
  using Folders = std::vector<std::pair<InodeNumber, std::string>>;

  Result<void> read_tags();
  Result<void> read_tag(InodeNumber inode);
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
  Archive& archive_;
  AdoptionCounts counts_;
  std::unordered_map<InodeNumber, ObjectTag> folder_tags_;
  std::vector<std::pair<InodeNumber, ObjectTag>> files_;
  std::unordered_map<std::string, InodeNumber>
      archived_;  // by identity, of those that are asked for
  std::unordered_map<InodeNumber, std::optional<InodeNumber>> folders_;  // old -> new
  std::vector<InodeNumber> adopted_;
};

}  // namespace tierhub::recovery
