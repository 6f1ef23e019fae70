#include "hub/front/direct_starter.h"

#include <csignal>

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/spawn.h"

namespace tierhub::hub {

Result<UniqueFd> DirectStarter::start(const Person&, UniqueFd listener) {
  MutexLock lock(mutex_);
  reap();
  SpawnPlan plan;
  plan.program = program_;
  plan.arguments = arguments_;
  plan.descriptors = {SpawnPlan::kEmpty, STDERR_FILENO, STDERR_FILENO, listener.get()};
  plan.group = SpawnPlan::Group::own;
  plan.death_signal = SIGTERM;
  TRY_ASSIGN(worker_, spawn(plan));
  return open_process(worker_);
}

void DirectStarter::end(uint32_t) {
  MutexLock lock(mutex_);
  reap();
}

void DirectStarter::reap() {
  if (worker_ <= 0) return;
  constexpr int kGraceMs = 5'000;
  ::kill(worker_, SIGTERM);
  const auto process = open_process(worker_);
  pollfd ended = {process ? process->get() : -1, POLLIN, 0};
  if (::poll(&ended, 1, kGraceMs) != 1) ::kill(worker_, SIGKILL);
  wait_for_end(worker_);
  worker_ = 0;
}

}  // namespace tierhub::hub
