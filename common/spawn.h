// Starts programs: the daemon's helper, tasks, runners, and what tests run.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>
#include <unistd.h>

#include "common/result.h"
#include "common/run_as.h"
#include "common/unique_fd.h"

namespace tierhub {

struct SpawnPlan {
  static constexpr int kEmpty = -1;  // /dev/null

  std::string program;                 // a path; without a slash: found in PATH
  std::vector<std::string> arguments;  // with the program's name first
  // Descriptor i of the child is a copy of descriptors[i] here; a standard one that is closed here
  // is empty there. The child has no others.
  std::vector<int> descriptors = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
  std::optional<std::vector<std::string>> environment = {};  // "NAME=value"; none: this process's
  std::string folder = {};                                   // where it runs; empty: where we do
  // Signals to the group, or a terminal's, reach it with us; or it leads its own.
  enum class Group { ours, own, own_session } group = Group::ours;
  // Sent to the child when the calling thread ends; 0: none.
  int death_signal = 0;
  // Files named cgroup.procs, open for writing: the child joins these control groups before it does
  // anything else. One that does not let it in is left out.
  std::vector<int> cgroups = {};
  // Who it runs as; none: who we are. See become().
  std::optional<Account> account = {};
};

// Starts it with default signal handlers and no signal blocked; returns its pid, to be waited for
// by the caller. The error names the program, and says what is wrong if it cannot be executed. Any
// thread.
//
// Without `account`, `death_signal` and `cgroups` this is posix_spawn(), which takes no longer in a
// process with much memory: tierd starts its programs so. With one of them the process is forked: for
// small ones (tieragent, a runner, a front).
//
// With `account` the child does everything as root first that needs no rights of the user
// (session, descriptors, signals), then becomes the user, and only then enters `folder`: root can
// enter more than the user may. From there on nobody waits for it, since the user could stop it:
// what fails then is a line on the child's standard error and exit code 126.
Result<pid_t> spawn(const SpawnPlan& plan);

// The variables of this process.
std::vector<std::string> own_environment();

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};
Result<Pipe> make_pipe();

// A pidfd: it can be polled for the child's end. Only of a child that has not been waited for.
Result<UniqueFd> open_process(pid_t child);

// Waits for a child's end, through interruptions; returns the status of waitpid().
int wait_for_end(pid_t child);

}  // namespace tierhub
