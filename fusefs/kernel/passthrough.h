// Objects that the kernel reads and writes by itself, behind an open file of the mount.
#pragma once

#include <cstdint>

#include "common/result.h"

namespace tierhub {

// Registers an O_RDONLY descriptor of an object with the session behind `device_fd`; the descriptor
// may be closed afterwards. The id is positive. Needs CAP_SYS_ADMIN.
Result<int32_t> register_backing(int device_fd, int object_fd);
void unregister_backing(int device_fd, int32_t backing_id);
// Of a number that may be registered or not.
void close_unused_backing(int device_fd, int32_t backing_id);

}  // namespace tierhub
