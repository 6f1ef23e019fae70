// Runs a program and keeps what it wrote.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "common/unique_fd.h"

namespace tierhub::test {

struct Outcome {
  int exit_code = -1;  // -1: killed by a signal
  std::string out;
  std::string err;
};

class Process {
 public:
  enum class StandardError { pipe, terminal };
  // `arguments` begins with the program's path. `environment` is added to a small one; `folder` is
  // where it runs.
  Process(std::vector<std::string> arguments, std::vector<std::string> environment,
          const std::string& folder, StandardError standard_error);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  // Waits for the end.
  Outcome wait();

 private:
  pid_t pid_ = -1;
  UniqueFd out_;
  UniqueFd err_;
};

}  // namespace tierhub::test
