// Who may do what to a file or folder: the kernel's own rule, for callers of the control API.
#pragma once

#include <optional>
#include <string>

#include "api/messages.h"
#include "catalog/records.h"
#include "common/result.h"

namespace tierhub {

enum class Access : uint16_t { read = 4, write = 2, traverse = 1 };

// As acl_permission_check() of Linux decides, with root allowed everything that is asked here: the
// owner by the owner's bits, then the access control list if there is one and the group bits are
// not all clear, else the group's and others' bits. `access_list`: the value of kAccessListXattr,
// little-endian as the kernel writes it. One that makes no sense is errc::io_error.
Result<bool> may(const api::Caller& caller, const Attributes& attributes,
                 const std::optional<std::string>& access_list, Access access);

}  // namespace tierhub
