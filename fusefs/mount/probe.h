// Whether a process still serves a FUSE mount.
#pragma once

#include <string>

#include "common/result.h"

namespace tierhub {

enum class Answer {
  lives,
  dead,    // the daemon is gone: the kernel answers for it
  silent,  // no answer within a few seconds
};

// Blocks for a few seconds at most, and never keeps this process from ending: whoever asks a daemon
// that hangs can be neither interrupted nor killed, so a child process asks.
Result<Answer> probe_mount(const std::string& mount_point);

}  // namespace tierhub
