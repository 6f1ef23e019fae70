// What a worker gives up before it reads anybody's files: a damaged image may make a decoder run
// somebody else's instructions.
#pragma once

#include <cstdint>

#include "common/result.h"

namespace tierhub::hub {

// For this process and what it starts, for good:
// - no new privileges, no core files, at most kMaxFiles open files;
// - system calls that a worker never needs (mounting, tracing, loading code into the kernel, keys,
//   new namespaces, ...) fail with EPERM, and so does every socket that is not a unix socket.
// Call it before there are other threads.
Result<void> enter_sandbox();

}  // namespace tierhub::hub
