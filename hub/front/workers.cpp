#include "hub/front/workers.h"

#include <poll.h>

#include <fmt/format.h>

#include "http/unix_socket.h"

namespace tierhub::hub {
namespace {

bool is_running(const UniqueFd& process) {
  if (!process) return false;
  pollfd poll = {process.get(), POLLIN, 0};
  return ::poll(&poll, 1, 0) == 0;  // a pidfd is readable once the process has ended
}

}  // namespace

std::shared_ptr<Workers::Worker> Workers::worker_of(uint32_t uid) {
  MutexLock lock(mutex_);
  auto& worker = workers_[uid];
  if (!worker) worker = std::make_shared<Worker>();
  return worker;
}

Result<std::string> Workers::socket_of(const Person& person) {
  const std::string path = fmt::format("{}/worker-{}.sock", folder_, person.uid);
  const std::shared_ptr<Worker> worker = worker_of(person.uid);
  MutexLock lock(worker->mutex);
  if (is_running(worker->process)) return path;
  TRY_ASSIGN(http::UnixListener listener, http::UnixListener::open(path, 0600));
  TRY_ASSIGN(worker->process, starter_.start(person, std::move(listener).release()));
  return path;
}

void Workers::end(uint32_t uid) {
  {
    MutexLock lock(mutex_);
    if (workers_.erase(uid) == 0) return;
  }
  starter_.end(uid);
}

}  // namespace tierhub::hub
