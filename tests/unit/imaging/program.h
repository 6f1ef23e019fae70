// Runs imgop itself.
#pragma once

#include <cstdio>
#include <string>

#include <sys/wait.h>

namespace tierhub::imaging {

struct Outcome {
  int exit_code;
  std::string text;  // stdout and stderr
};

inline Outcome imgop(const std::string& arguments) {
  const std::string command = std::string(IMGOP_PATH) + " " + arguments + " 2>&1";
  FILE* pipe = ::popen(command.c_str(), "r");
  std::string text;
  char buffer[4096];
  for (size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, n);
  const int status = ::pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text};
}

}  // namespace tierhub::imaging
