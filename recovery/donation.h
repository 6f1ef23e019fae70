// What neither tier knows, from an older catalog: the one that is being replaced, or a backup. Only
// what is missing is added: where the new catalog has something else, that stays.
#pragma once

#include <cstdint>

#include "catalog/catalog.h"
#include "common/result.h"
#include "recovery/view.h"

namespace tierhub::recovery {

struct DonationCounts {
  uint64_t xattrs = 0;    // of files and folders that the archive has not got
  uint64_t specials = 0;  // symbolic links, fifos, sockets, devices that the archive has not got
  uint64_t pins = 0;
};

class Donation {
 public:
  Donation(const KeyValueStore& old, Catalog& fresh) : old_(old), fresh_(fresh) {}
  Result<DonationCounts> run();

 private:
  Result<void> give_xattrs();
  Result<void> give_specials();
  Result<void> give_special(InodeNumber old, const InodeRecord& record);
  Result<void> give_pins();
  // The same inode in the new catalog; none: it is not there. What has an object kept its number.
  Result<std::optional<InodeNumber>> counterpart(InodeNumber old) const;
  Result<bool> kept_its_number(InodeNumber inode) const;

  const View old_;
  Catalog& fresh_;
  DonationCounts counts_;
};

}  // namespace tierhub::recovery
