// A task's process: started without a shell, leader of its own process group, killed when the
// runner dies.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "common/result.h"
#include "common/spawn.h"
#include "common/unique_fd.h"

namespace tierhub::compute {

struct ProcessSpec {
  std::string program;                   // as find_program() takes it
  std::string search_path;               // where it is looked for
  std::vector<std::string> arguments;    // with the program's name first
  std::vector<std::string> environment;  // "NAME=value"
  std::string cwd;
  std::vector<int> cgroups = {};  // see SpawnPlan
};

struct StartedProcess {
  pid_t pid = 0;    // also its process group
  UniqueFd output;  // what it writes to stdout and stderr; does not block
};

// For what a child writes: reading does not block.
Result<Pipe> make_output_pipe();
// Reads what there is now, some MiB at most, and closes `output` at its end.
std::string read_now(UniqueFd& output);

// stdin is empty. The error names the program.
Result<StartedProcess> start_process(const ProcessSpec& spec);
// The same, with these standard descriptors.
Result<pid_t> start_process(const ProcessSpec& spec, std::vector<int> descriptors);

// Where `name` is found: as it stands if it has a slash (relative to `cwd`), else in the folders of
// `path`, which are separated by colons. An error that names the folders if it is nowhere.
Result<std::string> find_program(const std::string& name, std::string_view path,
                                 const std::string& cwd);

// Memory that is theirs alone, in bytes, summed over the processes of each group.
std::map<pid_t, uint64_t> memory_of_groups(const std::set<pid_t>& groups);

// Sends a signal to a whole process group; one that is gone is fine.
void signal_group(pid_t group, int signal);
// SIGKILL for every process that is left in a session.
void kill_session(pid_t session);
// SIGKILL for every child of this process, and for theirs, which become ours (it must be their
// reaper), until there is none. Gives up after two seconds: false if one is left.
bool kill_children();

// SIGKILL for every child of this process whose environment has this variable, as "NAME=value", and
// for theirs, which become ours (it must be their reaper), until there is none. The children remain
// to be waited for. Gives up after two seconds.
void kill_marked_children(const std::string& variable);

// In a child that executes no other program: moves `fd` to 3 and closes every other descriptor but
// the standard ones, so that no lock and no mount of the parent's lives on in it. Returns 3, or
// ends the process.
int keep_only_descriptor(int fd);

// "exit code 3" or "killed by signal 9 (Killed)", of a status from waitpid.
std::string describe_exit(int wait_status);

}  // namespace tierhub::compute
