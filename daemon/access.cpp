#include "daemon/access.h"

#include <algorithm>

#include "common/access_list.h"

namespace tierhub {
namespace {

bool is_member(const api::Caller& caller, uint32_t gid) {
  return caller.gid == gid ||
         std::find(caller.groups.begin(), caller.groups.end(), gid) != caller.groups.end();
}

bool covers(uint16_t permissions, uint16_t wanted) { return (permissions & wanted) == wanted; }

uint16_t mask_of(const AccessList& list) {
  for (const AccessList::Entry& entry : list.entries()) {
    if (entry.tag == AccessList::mask) return entry.permissions;
  }
  return 7;
}

// posix_acl_permission() of Linux, for a caller who is not the owner.
bool list_allows(const AccessList& list, const api::Caller& caller, uint32_t gid, uint16_t wanted) {
  const uint16_t mask = mask_of(list);
  bool in_a_group = false;
  for (const AccessList::Entry& entry : list.entries()) {
    if (entry.tag == AccessList::user && entry.id == caller.uid)
      return covers(entry.permissions & mask, wanted);
    const bool its_group = (entry.tag == AccessList::owning_group && is_member(caller, gid)) ||
                           (entry.tag == AccessList::group && is_member(caller, entry.id));
    if (its_group) {
      in_a_group = true;
      if (covers(entry.permissions, wanted)) return covers(mask, wanted);
    }
    if (entry.tag == AccessList::other) return !in_a_group && covers(entry.permissions, wanted);
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
    const auto list = AccessList::parse(*access_list);
    if (!list) return Error(std::errc::io_error, "its access control list is damaged");
    return list_allows(*list, caller, attributes.gid, wanted);
  }
  const int shift = is_member(caller, attributes.gid) ? 3 : 0;
  return covers(static_cast<uint16_t>(attributes.mode >> shift), wanted);
}

}  // namespace tierhub
