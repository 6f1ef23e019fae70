// The archive helper as its parent sees it: a process and a socket to it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "common/result.h"
#include "common/unique_fd.h"

namespace tierhub {

class HelperProcess {
 public:
  // Starts `program` with `arguments`, in a process group of its own. It has its end of the socket
  // as descriptor 3, standard error, and nothing else that is open here.
  static Result<HelperProcess> start(const std::string& program,
                                     const std::vector<std::string>& arguments);
  HelperProcess(HelperProcess&&) noexcept;
  HelperProcess& operator=(HelperProcess&&) noexcept;
  // Kills it, if it is still there, and waits for its end only as long as a healthy process needs:
  // one that is stuck in a dead mount ends when the mount does.
  ~HelperProcess();

  // Non-blocking.
  int socket() const { return socket_.get(); }
  pid_t pid() const { return pid_; }
  // Closes the socket, upon which a healthy helper ends by itself; after `patience` kills it.
  // Returns its pid if it has not ended even so: whoever reaps it later must ask for it.
  std::optional<pid_t> stop(std::chrono::milliseconds patience);

 private:
  HelperProcess(pid_t pid, UniqueFd process, UniqueFd socket);
  bool wait(std::chrono::milliseconds patience);

  pid_t pid_ = -1;
  UniqueFd process_;  // a pidfd
  UniqueFd socket_;
};

}  // namespace tierhub
