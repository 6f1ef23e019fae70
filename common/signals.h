// Signals that a program takes when it wants to, instead of being interrupted by them.
#pragma once

#include <csignal>
#include <initializer_list>

#include <sys/signalfd.h>

#include "common/result.h"
#include "common/unique_fd.h"

namespace tierhub {

// Blocks them in this thread and in those that it starts. Call before any other thread runs, then
// wait for them with sigwait() or sigtimedwait().
inline sigset_t block_signals(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return set;
}

// The same, for programs that wait with poll(): readable while one of them is pending.
inline Result<UniqueFd> block_and_open_signals(std::initializer_list<int> signals) {
  const sigset_t set = block_signals(signals);
  UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return Error::from_errno(errno, "wait for signals");
  return fd;
}

}  // namespace tierhub
