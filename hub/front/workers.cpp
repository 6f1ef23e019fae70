#include "hub/front/workers.h"

#include <fcntl.h>
#include <poll.h>

#include <fmt/format.h>

#include "common/posix.h"
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

Result<Workers::Place> Workers::place_of(const Person& person) {
  const std::string path = fmt::format("{}/worker-{}.sock", folder_, person.uid);
  const std::shared_ptr<Worker> worker = worker_of(person.uid);
  MutexLock lock(worker->mutex);
  if (is_running(worker->process)) return Place{path, worker->generation};
  worker->generation.reset();
  // One that was told to end may still listen there: nobody is to reach it any more.
  (void)posix::unlink_at(AT_FDCWD, path);
  auto listener = http::UnixListener::open(path, 0600);
  // No refusal of the person, whatever it is.
  if (!listener) return Error(std::errc::io_error, listener.error().text());
  TRY_ASSIGN(worker->process, starter_.start(person, std::move(*listener).release()));
  worker->generation = std::make_shared<char>();
  return Place{path, worker->generation};
}

void Workers::end(uint32_t uid) {
  {
    MutexLock lock(mutex_);
    if (workers_.erase(uid) == 0) return;
  }
  starter_.end(uid);
}

}  // namespace tierhub::hub
