// POSIX access control lists as values. Their bytes are those that the kernel shows as
// system.posix_acl_access and system.posix_acl_default (version 2, little-endian); the catalog
// keeps them as they are.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace tierhub {

// The extended attributes that hold a list: who may use a file, and what a folder gives to what is
// made in it.
inline constexpr const char* kAccessListXattr = "system.posix_acl_access";
inline constexpr const char* kDefaultListXattr = "system.posix_acl_default";

class AccessList {
 public:
  enum Tag : uint16_t {
    owner = 0x01,
    user = 0x02,
    owning_group = 0x04,
    group = 0x08,
    mask = 0x10,
    other = 0x20,
  };
  struct Entry {
    uint16_t tag = 0;
    uint16_t permissions = 0;
    uint32_t id = 0;  // of a user or group
  };

  // Checks the form, not the sense: the kernel did that. errc::invalid_argument.
  static Result<AccessList> parse(std::string_view bytes);
  std::string bytes() const;
  const std::vector<Entry>& entries() const { return entries_; }

  // The nine permission bits that a file with this list shows: those of its group are the mask.
  uint32_t mode() const;
  // Nobody is named: the list says no more than mode() does.
  bool is_a_mode() const;
  // What chmod does to the list. `mode`: more than the nine bits may be set.
  void set_mode(uint32_t mode);
  // What making a file with `mode` in a folder with this default list does: the list becomes the
  // file's, with nothing that `mode` forbids.
  void narrow_to(uint32_t mode);

 private:
  // Where the first entry with this tag is; entries_.size() if there is none.
  size_t place_of(uint16_t tag) const;
  // The entry that the group's bits of a mode stand for.
  size_t place_of_group_class() const;

  std::vector<Entry> entries_;
};

}  // namespace tierhub
