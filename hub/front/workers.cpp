#include "hub/front/workers.h"

#include <poll.h>

#include <fmt/format.h>

namespace tierhub::hub {
namespace {

bool is_running(const UniqueFd& process) {
  if (!process) return false;
  pollfd poll = {process.get(), POLLIN, 0};
  return ::poll(&poll, 1, 0) == 0;  // a pidfd is readable once the process has ended
}

}  // namespace

Result<std::shared_ptr<Workers::Worker>> Workers::worker_of(uint32_t uid) {
  MutexLock lock(mutex_);
  const auto found = workers_.find(uid);
  if (found != workers_.end()) return found->second;
  TRY_ASSIGN(http::UnixListener listener,
             http::UnixListener::open(fmt::format("{}/worker-{}.sock", folder_, uid), 0600));
  return workers_.emplace(uid, std::make_shared<Worker>(std::move(listener))).first->second;
}

Result<std::string> Workers::socket_of(const Person& person) {
  TRY_ASSIGN(const std::shared_ptr<Worker> worker, worker_of(person.uid));
  MutexLock lock(worker->mutex);
  if (!is_running(worker->process)) {
    TRY_ASSIGN(worker->process, starter_.start(person, worker->listener.fd()));
  }
  return worker->listener.path();
}

void Workers::end(uint32_t uid) {
  {
    MutexLock lock(mutex_);
    if (workers_.erase(uid) == 0) return;
  }
  starter_.end(uid);
}

}  // namespace tierhub::hub
