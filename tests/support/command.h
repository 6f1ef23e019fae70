// Runs programs from tests.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <sys/types.h>

namespace tierhub::test {

struct CommandResult {
  int exit_code = -1;  // 128 + signal if a signal ended it
  std::string out;
  std::string err;
  // For messages: what was run and how it ended.
  std::string text;
};

// Starts a program with `environment` ("NAME=value") added to ours, in a process group of its own,
// standard output and error going to `log_fd`. Throws if it cannot be started.
pid_t start_program(const std::vector<std::string>& argv,
                    const std::vector<std::string>& environment, int log_fd);

// Runs a program to its end and keeps what it wrote. Throws if it cannot be started or does not
// end in time.
CommandResult run_command(const std::vector<std::string>& argv,
                          const std::vector<std::string>& environment = {},
                          std::chrono::seconds time_limit = std::chrono::seconds(60));

// A TCP port of 127.0.0.1 that nobody listens at now.
int free_port();

// Waits for a child's end. -1: it still runs after the time limit; else as CommandResult's code.
int wait_for_exit(pid_t child, std::chrono::milliseconds time_limit);

}  // namespace tierhub::test
