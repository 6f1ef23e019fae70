// The workers: one process for each person who is signed in. It runs as that person and answers
// everything but pages.
//
//   1. The front makes a listening socket in a folder that only it may enter.
//   2. A starter starts the worker as the person, with the socket as its descriptor kWorkerSocket;
//      the front keeps no copy. So when a worker ends, whoever waits for it learns that. Starting one asks
//      who its person is, which takes long while the directory of accounts does not answer: kMostWaiting
//      requests at most wait for it, so that those of people whose workers run are answered.
//   3. The front passes requests on to the socket. When the worker has ended (killed, or idle for
//      long) the next request starts another one.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "common/mutex.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "http/unix_socket.h"
#include "hub/front/sessions.h"

namespace tierhub::hub {

inline constexpr int kWorkerSocket = 3;

// Starts and ends workers: by itself for one person (direct_starter.h), or by asking the process
// that is root (login/starter.h). Any thread.
class WorkerStarter {
 public:
  virtual ~WorkerStarter() = default;
  // Returns the process, as a pidfd. errc::permission_denied: they have to sign in again;
  // errc::resource_unavailable_try_again: whether they may have one cannot be found out now.
  virtual Result<UniqueFd> start(const Person& person, UniqueFd listener) = 0;
  // Ends their worker, if there is one.
  virtual void end(uint32_t uid) = 0;
};

// Any thread.
class Workers {
 public:
  // The sockets are made in `folder`, which only this user may enter.
  Workers(std::string folder, WorkerStarter& starter)
      : folder_(std::move(folder)), starter_(starter) {}

  static constexpr int kMostWaiting = 16;
  struct Place {
    std::string socket_path;
    // Of this process: connections to another one that has listened there are of no use.
    std::shared_ptr<const void> generation;
  };
  // Where their worker listens, which is started if it is not running. errc::resource_unavailable_try_again:
  // too many wait for theirs.
  Result<Place> place_of(const Person& person);
  // What is asked from now on reaches another one.
  void end(uint32_t uid);

 private:
  struct Worker {
    Mutex mutex;
    ConditionVariable has_started;
    bool is_starting GUARDED_BY(mutex) = false;
    std::optional<Error> failure GUARDED_BY(mutex);  // of the last start
    UniqueFd process GUARDED_BY(mutex);
    std::shared_ptr<const void> generation GUARDED_BY(mutex);
  };
  std::shared_ptr<Worker> worker_of(uint32_t uid);
  Result<UniqueFd> start(const Person& person, const std::string& socket_path);

  const std::string folder_;
  WorkerStarter& starter_;
  std::atomic<int> waiting_ = 0;
  Mutex mutex_;
  std::map<uint32_t, std::shared_ptr<Worker>> workers_ GUARDED_BY(mutex_);
};

}  // namespace tierhub::hub
