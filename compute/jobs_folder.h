// A watched jobs folder: incoming/, running/, done/, failed/, and the steps that take a dropped
// file from one to the next. The agent is its only user; with the agent being root, everything here
// goes through descriptors that were opened at start, follows no symbolic link, and touches no
// folder that was given to a user.
//
// A claim, in steps, so that a crash between any two of them is mended by `recover`:
//   1. <work>/<run>/.claim says which file is about to be claimed and from where;
//   2. running/<run>/ is made, and the file is renamed to running/<run>/job.yaml;
//   3. fstat of the claimed file, which no name can change any more, decides whose job it is;
//   4. running/<run>/ is given to that user;
//   5. .claim is removed, and <work>/<run>/ is given to that user.
// A run whose work folder is not here belongs to an agent on another machine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/stat.h>

#include "common/result.h"
#include "common/unique_fd.h"
#include "compute/owner.h"

namespace tierhub::compute {

// Where runs keep what their tasks leave for one another: one per agent, locked while it lives.
class WorkRoot {
 public:
  // Makes the folder if it is missing; it must belong to this agent alone.
  static Result<WorkRoot> open(const std::string& path);
  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }
  bool has(const std::string& run) const;
  // Removes the run's folder if it is empty.
  void remove_if_empty(const std::string& run) const;
  // Removes what a claim left that went no further; what a run keeps stays.
  void forget_claim(const std::string& run) const;

 private:
  WorkRoot(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  std::string path_;
  UniqueFd fd_;
};

// A file in incoming/ that is called like a workflow.
struct Candidate {
  std::string folder;  // of a user, in incoming/; empty: incoming/ itself
  std::string file;
  struct stat st {};
};

// A run that is in running/ and is ours.
struct ClaimedRun {
  std::string run;
  std::string file;        // as it was dropped; empty if it was claimed by an earlier agent
  Result<uint32_t> owner;  // the user to run as, or why the job is refused
  uint32_t file_gid = 0;
};

enum class Ending { done, failed };

class JobsFolder {
 public:
  // Makes what is missing. An error that says what to do if a folder belongs to someone else or
  // can be written by others.
  static Result<JobsFolder> open(const std::string& path, RootJobs root_jobs);

  const std::string& path() const { return path_; }
  // "" is incoming/ itself; the others are its users' folders.
  Result<std::vector<std::string>> drop_folders() const;
  std::string incoming_path(const std::string& folder) const;
  Result<std::vector<Candidate>> candidates(const std::string& folder) const;
  // True if this agent may run that file as its user: root may run everyone's.
  bool may_take(const Candidate& candidate) const;

  // Nothing if someone else was faster.
  Result<std::optional<ClaimedRun>> claim(const WorkRoot& work, const Candidate& candidate,
                                          const std::string& run) const;
  // The runs that an earlier agent with the same work folder left in running/.
  Result<std::vector<ClaimedRun>> recover(const WorkRoot& work) const;

  std::string run_path(const std::string& run) const { return path_ + "/running/" + run; }
  // Moves a run from running/ to where it ends. The last step of every run.
  Result<void> finish(const std::string& run, Ending ending) const;

 private:
  JobsFolder() = default;
  Result<UniqueFd> open_drop_folder(const std::string& folder) const;
  Result<std::optional<ClaimedRun>> recover_run(const WorkRoot& work, const std::string& run) const;
  Result<ClaimedRun> verify(const WorkRoot& work, const std::string& run) const;

  std::string path_;
  RootJobs root_jobs_ = RootJobs::refused;
  UniqueFd incoming_, running_, done_, failed_;
};

}  // namespace tierhub::compute
