// Starts the worker of the person who runs this process.
#pragma once

#include <string>

#include <sys/types.h>

#include "common/mutex.h"
#include "hub/front/workers.h"

namespace tierhub::hub {

// The worker ends with this object, and with this process.
class DirectStarter final : public WorkerStarter {
 public:
  // `arguments` begin with the program's name.
  DirectStarter(std::string program, std::vector<std::string> arguments)
      : program_(std::move(program)), arguments_(std::move(arguments)) {}
  ~DirectStarter() override { end(0); }

  Result<UniqueFd> start(const Person& person, UniqueFd listener) override;
  void end(uint32_t uid) override;  // the only one, whatever the uid

 private:
  void reap() REQUIRES(mutex_);

  const std::string program_;
  const std::vector<std::string> arguments_;
  Mutex mutex_;
  pid_t worker_ GUARDED_BY(mutex_) = 0;
};

}  // namespace tierhub::hub
