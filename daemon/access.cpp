#include "daemon/access.h"

#include <algorithm>
#include <vector>

namespace tierhub {
namespace {

// include/uapi/linux/posix_acl.h and posix_acl_xattr.h.
constexpr uint32_t kAclVersion = 2;
constexpr size_t kAclHeaderBytes = 4;
constexpr size_t kAclEntryBytes = 8;
enum Tag : uint16_t {
  kOwner = 0x01,
  kUser = 0x02,
  kOwningGroup = 0x04,
  kGroup = 0x08,
  kMask = 0x10,
  kOther = 0x20,
};

struct AclEntry {
  uint16_t tag = 0;
  uint16_t permissions = 0;
  uint32_t id = 0;
};

template <class Number>
Number little_endian(std::string_view bytes) {
  Number value = 0;
  for (size_t i = sizeof(Number); i-- > 0;)
    value = static_cast<Number>(value << 8 | static_cast<uint8_t>(bytes[i]));
  return value;
}

Result<std::vector<AclEntry>> parse(std::string_view list) {
  if (list.size() < kAclHeaderBytes || (list.size() - kAclHeaderBytes) % kAclEntryBytes != 0 ||
      little_endian<uint32_t>(list) != kAclVersion) {
    return Error(std::errc::io_error, "its access control list is damaged");
  }
  std::vector<AclEntry> entries;
  for (list.remove_prefix(kAclHeaderBytes); !list.empty(); list.remove_prefix(kAclEntryBytes)) {
    entries.push_back({little_endian<uint16_t>(list), little_endian<uint16_t>(list.substr(2)),
                       little_endian<uint32_t>(list.substr(4))});
  }
  return entries;
}

bool is_member(const api::Caller& caller, uint32_t gid) {
  return caller.gid == gid ||
         std::find(caller.groups.begin(), caller.groups.end(), gid) != caller.groups.end();
}

bool covers(uint16_t permissions, uint16_t wanted) { return (permissions & wanted) == wanted; }

uint16_t mask_of(const std::vector<AclEntry>& entries) {
  for (const AclEntry& entry : entries) {
    if (entry.tag == kMask) return entry.permissions;
  }
  return 7;
}

// posix_acl_permission() of Linux, for a caller who is not the owner.
bool list_allows(const std::vector<AclEntry>& entries, const api::Caller& caller, uint32_t gid,
                 uint16_t wanted) {
  const uint16_t mask = mask_of(entries);
  bool in_a_group = false;
  for (const AclEntry& entry : entries) {
    if (entry.tag == kUser && entry.id == caller.uid)
      return covers(entry.permissions & mask, wanted);
    const bool its_group = (entry.tag == kOwningGroup && is_member(caller, gid)) ||
                           (entry.tag == kGroup && is_member(caller, entry.id));
    if (its_group) {
      in_a_group = true;
      if (covers(entry.permissions, wanted)) return covers(mask, wanted);
    }
    if (entry.tag == kOther) return !in_a_group && covers(entry.permissions, wanted);
  }
  return false;
}

}  // namespace

Result<bool> may(const api::Caller& caller, const Attributes& attributes,
                 const std::optional<std::string>& access_list, Access access) {
  constexpr uint32_t kGroupBits = 070;
  const auto wanted = static_cast<uint16_t>(access);
  if (caller.uid == 0) return true;
  if (caller.uid == attributes.uid)
    return covers(static_cast<uint16_t>(attributes.mode >> 6), wanted);
  if (access_list && (attributes.mode & kGroupBits) != 0) {
    TRY_ASSIGN(const auto entries, parse(*access_list));
    return list_allows(entries, caller, attributes.gid, wanted);
  }
  const int shift = is_member(caller, attributes.gid) ? 3 : 0;
  return covers(static_cast<uint16_t>(attributes.mode >> shift), wanted);
}

}  // namespace tierhub
