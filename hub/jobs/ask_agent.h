// Asking tieragent, as a program that this process starts with its own rights: nothing else knows
// what a workflow means.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "common/result.h"

namespace tierhub::hub {

struct Answer {
  int exit_code = 0;
  std::string out;
  std::string err;
};

class AgentAsker {
 public:
  // `program`: tieragent's; empty: the one beside this program.
  AgentAsker(std::string program, std::string tierd_socket);

  // `input` is its standard input. Blocks until it has ended; an error after `time_limit`, or if it
  // writes more than 16 MiB. Any thread.
  Result<Answer> ask(const std::vector<std::string>& arguments, const std::string& input,
                     std::chrono::milliseconds time_limit) const;

 private:
  const std::string program_;
  const std::string socket_;
};

}  // namespace tierhub::hub
