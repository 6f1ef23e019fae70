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

// Counts those that wait for a start.
class Waiting {
 public:
  explicit Waiting(std::atomic<int>& all) : all_(all), number_(all.fetch_add(1) + 1) {}
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  ~Waiting() { all_.fetch_sub(1); }
  int number() const { return number_; }

 private:
  std::atomic<int>& all_;
  const int number_;
};

}  // namespace

std::shared_ptr<Workers::Worker> Workers::worker_of(uint32_t uid) {
  MutexLock lock(mutex_);
  auto& worker = workers_[uid];
  if (!worker) worker = std::make_shared<Worker>();
  return worker;
}

Result<UniqueFd> Workers::start(const Person& person, const std::string& socket_path) {
  // One that was told to end may still listen there: nobody is to reach it any more.
  (void)posix::unlink_at(AT_FDCWD, socket_path);
  auto listener = http::UnixListener::open(socket_path, 0600);
  // No refusal of the person, whatever it is.
  if (!listener) return Error(std::errc::io_error, listener.error().text());
  return starter_.start(person, std::move(*listener).release());
}

Result<Workers::Place> Workers::place_of(const Person& person) {
  const std::string path = fmt::format("{}/worker-{}.sock", folder_, person.uid);
  const std::shared_ptr<Worker> worker = worker_of(person.uid);
  MutexLock lock(worker->mutex);
  if (!worker->is_starting && is_running(worker->process)) return Place{path, worker->generation};
  const Waiting waiting(waiting_);
  if (waiting.number() > kMostWaiting) {
    return Error(std::errc::resource_unavailable_try_again,
                 "many people's workers are being started: try again in a moment");
  }
  if (worker->is_starting) {
    worker->has_started.wait(worker->mutex,
                             [&]() REQUIRES(worker->mutex) { return !worker->is_starting; });
    if (worker->failure) return *worker->failure;
    return Place{path, worker->generation};
  }
  worker->is_starting = true;
  lock.unlock();
  auto process = start(person, path);
  lock.lock();
  worker->is_starting = false;
  worker->failure.reset();
  worker->generation.reset();
  if (process) {
    worker->process = *std::move(process);
    worker->generation = std::make_shared<char>();
  } else {
    worker->failure = process.error();
  }
  worker->has_started.notify_all();
  if (worker->failure) return *worker->failure;
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
