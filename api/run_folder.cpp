#include "api/run_folder.h"

#include <algorithm>

#include <fcntl.h>
#include <sys/stat.h>

#include <fmt/format.h>

#include "common/posix.h"

namespace tierhub::api {

const Agent* agent_for(const std::vector<Agent>& agents, uint32_t uid, const std::string& host) {
  const Agent* chosen = nullptr;
  for (const Agent& agent : agents) {
    if (agent.gone || agent.folders.empty() || (agent.uid != 0 && agent.uid != uid)) continue;
    if (chosen == nullptr || (agent.host == host && chosen->host != host)) chosen = &agent;
  }
  return chosen;
}

Result<RunFolder> find_run_folder(const std::vector<Agent>& agents, const std::string& run) {
  if (run.empty() || run.front() == '.' || run.find('/') != std::string::npos)
    return Error(std::errc::invalid_argument, fmt::format("'{}' is not the name of a run", run));
  std::vector<Agent> ordered = agents;
  std::stable_partition(ordered.begin(), ordered.end(),
                        [](const Agent& agent) { return agent.uid == 0; });
  for (const Agent& agent : ordered) {
    for (const std::string& jobs : agent.folders) {
      for (const char* place : {"running", "done", "failed"}) {
        RunFolder found{fmt::format("{}/{}/{}", jobs, place, run),
                        std::string_view(place) != "running"};
        struct stat st {};
        if (::lstat(found.path.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) return found;
      }
    }
  }
  return Error(
      std::errc::no_such_file_or_directory,
      fmt::format("there is no folder of a run '{}' in the jobs folders that agents watch", run));
}

Result<void> cancel_run(const RunFolder& folder) {
  if (folder.has_ended)
    return Error(std::errc::invalid_argument, "the run has ended: there is nothing to cancel");
  TRY_ASSIGN(const UniqueFd fd, posix::open_at(AT_FDCWD, folder.path + "/CANCEL",
                                               O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0644));
  return {};
}

}  // namespace tierhub::api
