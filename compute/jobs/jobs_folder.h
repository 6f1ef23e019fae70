// A watched jobs folder: incoming/, running/, done/, failed/, and the steps that take a dropped
// file from one to the next. The agent is its only user. Because the agent may be root, everything
// here uses descriptors that were opened at start, follows no symbolic link, and trusts nothing in
// a folder that was given to a user.
//
// The owner of a folder in running/ is recorded in its claim (work_root.h), which only the agent
// can write, and nowhere else: not in the folder's owner, which an administrator's cp, mv or chown
// may have changed. The protocol:
//   1. The claim is recorded: the file's name and where it was dropped. Durable before step 2.
//   2. running/<run>/ is made, writable only for the agent, and the file is renamed to
//      running/<run>/job.yaml. Both folders are synced.
//   3. fstat of the claimed file, which can no longer be exchanged under its name, decides whose
//      job it is.
//   4. The claim is recorded again, with that user. Durable before step 5.
//   5. running/<run>/ is given to the user, then <work>/<run>/, which is made for it.
//   6. A runner is started as the user.
//   7. running/<run>/ is renamed into done/ or failed/. Both folders are synced.
//   8. The claim is removed.
// `recover` continues after a crash between any two steps. What it finds in running/:
//   - a claim without a user, and the folder belongs to the agent: continue at step 3; if there is
//     no job.yaml, the crash came before the rename: the file is still in incoming/, and the claim
//     is undone;
//   - a claim with a user, and the folder belongs to the agent or to that user: continue at step 5;
//   - any other owner, or no claim although <work>/<run>/ exists, or a claim that cannot be read:
//     nobody knows whose run it is. It fails with a report, and nothing in it is run as anybody;
//   - neither a claim nor a work folder: left alone. It belongs to an agent on another machine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/stat.h>

#include "common/result.h"
#include "common/unique_fd.h"
#include "compute/run/owner.h"
#include "compute/run/work_root.h"

namespace tierhub::compute {

// A file in incoming/ that is called like a workflow.
struct Candidate {
  std::string folder;  // of a user, in incoming/; empty: incoming/ itself
  std::string file;
  struct stat st {};
};

// Something in incoming/ that is not taken, and what to tell its owner.
struct Mistake {
  std::string folder;  // as in Candidate
  std::string name;
  struct stat st {};
  std::string advice;
};

struct Dropped {
  std::vector<Candidate> candidates;
  std::vector<Mistake> mistakes;  // those that have no note yet
};

// A run that is in running/ and is ours.
struct ClaimedRun {
  std::string run;
  std::string file;        // as it was dropped; empty if that is not known
  Result<uint32_t> owner;  // the user to run as, or why the job is refused
  uint32_t file_uid = 0;   // who owns the file, for messages only
  uint32_t file_gid = 0;
};

// A file that the agent itself writes into the folder of a run that it refuses.
struct RunNote {
  std::string name;
  std::string text;
};

enum class Ending { done, failed };

class JobsFolder {
 public:
  // A folder that is known by its descriptor, whatever is at its path later.
  struct Base {
    std::string path;
    int fd = -1;
  };
  // Makes what is missing, through `base` if `path` is below it. An error that says what to do if
  // a folder belongs to someone else or can be written by others.
  static Result<JobsFolder> open(const std::string& path, RootJobs root_jobs,
                                 const std::optional<Base>& base = {});

  const std::string& path() const { return path_; }
  // "" is incoming/ itself; the others are its users' folders, which are named after their owners.
  Result<std::vector<std::string>> drop_folders() const;
  std::string incoming_path(const std::string& folder) const;
  Result<Dropped> dropped(const std::string& folder) const;
  // True if this agent may run that file as its user: root may run everyone's.
  bool may_take(const Candidate& candidate) const;
  // Whose job it will be, as far as can be said before it is claimed.
  uint32_t user_of(const Candidate& candidate) const;
  // Starts a process that writes the note, as the owner of what it is about. An error if it cannot
  // be started.
  Result<void> write_note(const Mistake& mistake) const;

  // Nothing if someone else was faster.
  Result<std::optional<ClaimedRun>> claim(const WorkRoot& work, const Candidate& candidate,
                                          const std::string& run) const;
  // The runs that an earlier agent with the same work folder left in running/. Removes the claims
  // on runs of this jobs folder that have ended, or never began.
  Result<std::vector<ClaimedRun>> recover(const WorkRoot& work) const;

  std::string run_path(const std::string& run) const { return path_ + "/running/" + run; }
  // Takes the folder of a refused run back from whoever owns it and writes these files there.
  Result<void> write_notes(const std::string& run, const std::vector<RunNote>& notes) const;
  // Steps 7 and 8: moves a run from running/ to where it ends and removes its claim. The last step
  // of every run.
  Result<void> finish(const WorkRoot& work, const std::string& run, Ending ending) const;

 private:
  JobsFolder() = default;
  Result<std::optional<Mistake>> mistake_of(const UniqueFd& fd, const std::string& folder,
                                            const std::string& name) const;
  Result<UniqueFd> open_drop_folder(const std::string& folder) const;
  Result<std::optional<ClaimedRun>> recover_run(const WorkRoot& work, const std::string& run) const;
  Result<ClaimedRun> decide(const WorkRoot& work, const std::string& run, Claim claim,
                            const UniqueFd& run_folder) const;
  Result<ClaimedRun> give_away(const WorkRoot& work, const std::string& run, const Claim& claim,
                               const UniqueFd& run_folder) const;
  Result<void> undo_claim(const WorkRoot& work, const std::string& run) const;
  void remove_stale_claims(const WorkRoot& work) const;

  std::string path_;
  RootJobs root_jobs_ = RootJobs::refused;
  UniqueFd incoming_, running_, done_, failed_;
};

}  // namespace tierhub::compute
