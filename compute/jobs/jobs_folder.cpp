#include "compute/jobs/jobs_folder.h"

#include <algorithm>
#include <set>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/log.h"
#include "common/posix.h"
#include "common/run_as.h"
#include "compute/executors/process.h"
#include "compute/jobs/drop_notes.h"
#include "compute/workflow/job_names.h"

namespace tierhub::compute {
namespace {

constexpr const char* kJobFile = "job.yaml";

// So many notes lie in one folder at most.
constexpr size_t kMostNotes = 32;

Result<UniqueFd> open_top(const std::string& path, const std::optional<JobsFolder::Base>& base) {
  if (!base || !path.starts_with(base->path + "/")) {
    TRY(posix::make_directories(path, 0755));
    return posix::open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
  }
  std::string_view rest = std::string_view(path).substr(base->path.size() + 1);
  UniqueFd folder;
  while (!rest.empty()) {
    const std::string name(rest.substr(0, rest.find('/')));
    rest.remove_prefix(std::min(name.size() + 1, rest.size()));
    TRY_ASSIGN(folder, open_or_make(folder ? folder.get() : base->fd, name, 0755));
  }
  return folder;
}

// Why a run is not run as anybody.
Error unknown_owner(std::string_view why) {
  return {std::errc::permission_denied,
          fmt::format(
              "tieragent does not know whose job it is ({}), so it does not run it: drop it again",
              why)};
}

Result<std::optional<struct stat>> stat_if_there(int folder, const std::string& name) {
  const Result<struct stat> st = posix::stat_at(folder, name, AT_SYMLINK_NOFOLLOW);
  if (st) return *st;
  if (st.error().is(std::errc::no_such_file_or_directory)) return std::nullopt;
  return st.error();
}

}  // namespace

Result<JobsFolder> JobsFolder::open(const std::string& path, RootJobs root_jobs,
                                    const std::optional<Base>& base) {
  TRY_ASSIGN(const UniqueFd top, open_top(path, base));
  TRY(check_own(top, path));
  JobsFolder jobs;
  jobs.path_ = path;
  jobs.root_jobs_ = root_jobs;
  const mode_t incoming_mode = ::geteuid() == 0 ? 01777 : 0755;
  TRY_ASSIGN(jobs.incoming_, open_or_make(top.get(), "incoming", incoming_mode));
  TRY_ASSIGN(jobs.running_, open_or_make(top.get(), "running", 0755));
  TRY_ASSIGN(jobs.done_, open_or_make(top.get(), "done", 0755));
  TRY_ASSIGN(jobs.failed_, open_or_make(top.get(), "failed", 0755));
  TRY(check_own(jobs.running_, path + "/running"));
  TRY(check_own(jobs.done_, path + "/done"));
  TRY(check_own(jobs.failed_, path + "/failed"));
  return jobs;
}

Result<std::vector<std::string>> JobsFolder::drop_folders() const {
  std::vector<std::string> folders = {""};
  TRY_ASSIGN(const std::vector<std::string> names, posix::list_directory_fd(incoming_.get()));
  for (const std::string& name : names) {
    if (!is_user_folder(name)) continue;
    const Result<struct stat> st = posix::stat_at(incoming_.get(), name, AT_SYMLINK_NOFOLLOW);
    if (!st || !S_ISDIR(st->st_mode)) continue;
    const Result<bool> is_users = is_named_after(name, st->st_uid);
    if (is_users && *is_users) folders.push_back(name);
  }
  return folders;
}

std::string JobsFolder::incoming_path(const std::string& folder) const {
  return path_ + "/incoming" + (folder.empty() ? "" : "/" + folder);
}

Result<UniqueFd> JobsFolder::open_drop_folder(const std::string& folder) const {
  return open_folder(incoming_.get(), folder.empty() ? "." : folder);
}

Result<Dropped> JobsFolder::dropped(const std::string& folder) const {
  Dropped found;
  TRY_ASSIGN(const UniqueFd fd, open_drop_folder(folder));
  TRY_ASSIGN(const std::vector<std::string> list, posix::list_directory_fd(fd.get()));
  const std::set<std::string> names(list.begin(), list.end());
  auto notes = static_cast<size_t>(std::count_if(names.begin(), names.end(), is_note));
  for (const std::string& name : names) {
    if (is_workflow_file(name)) {
      const Result<struct stat> st = posix::stat_at(fd.get(), name, AT_SYMLINK_NOFOLLOW);
      if (!st || (!S_ISREG(st->st_mode) && !S_ISLNK(st->st_mode))) continue;
      found.candidates.push_back({folder, name, *st});
    } else if (notes < kMostNotes && !names.contains(note_name(name))) {
      const Result<std::optional<Mistake>> mistake = mistake_of(fd, folder, name);
      if (!mistake || !*mistake) continue;
      found.mistakes.push_back(**mistake);
      notes += 1;
    }
  }
  return found;
}

Result<std::optional<Mistake>> JobsFolder::mistake_of(const UniqueFd& fd, const std::string& folder,
                                                      const std::string& name) const {
  TRY_ASSIGN(const struct stat st, posix::stat_at(fd.get(), name, AT_SYMLINK_NOFOLLOW));
  if (::geteuid() != 0 && st.st_uid != ::geteuid()) return std::nullopt;
  std::optional<std::string> advice;
  if (S_ISREG(st.st_mode)) {
    advice = advice_on_file(name);
  } else if (S_ISDIR(st.st_mode) && folder.empty()) {
    TRY_ASSIGN(const bool is_users, is_named_after(name, st.st_uid));
    if (!is_users) advice = advice_on_folder(name, name_of_user(st.st_uid));
  }
  if (!advice) return std::nullopt;
  return Mistake{folder, name, st, *std::move(advice)};
}

// The child is not waited for: its owner's folder may be on a file system that hangs.
Result<void> JobsFolder::write_note(const Mistake& mistake) const {
  TRY_ASSIGN(const UniqueFd folder, open_drop_folder(mistake.folder));
  TRY_ASSIGN(const Account account, find_account(mistake.st.st_uid, mistake.st.st_gid));
  const std::string name = note_name(mistake.name);
  const pid_t pid = ::fork();
  if (pid < 0) return Error::from_errno(errno, "write a note");
  if (pid > 0) return {};
  const int fd = keep_only_descriptor(folder.get());
  if (!become(account)) ::_exit(1);
  const Result<UniqueFd> note =
      posix::open_at(fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
  ::_exit(note && posix::write_all(note->get(), mistake.advice) ? 0 : 1);
}

bool JobsFolder::may_take(const Candidate& candidate) const {
  if (::geteuid() == 0) return true;
  if (candidate.folder.empty()) return candidate.st.st_uid == ::geteuid();
  const Result<struct stat> st =
      posix::stat_at(incoming_.get(), candidate.folder, AT_SYMLINK_NOFOLLOW);
  return st && st->st_uid == ::geteuid();
}

uint32_t JobsFolder::user_of(const Candidate& candidate) const {
  if (candidate.folder.empty()) return candidate.st.st_uid;
  const Result<struct stat> st =
      posix::stat_at(incoming_.get(), candidate.folder, AT_SYMLINK_NOFOLLOW);
  return st ? st->st_uid : candidate.st.st_uid;
}

Result<std::optional<ClaimedRun>> JobsFolder::claim(const WorkRoot& work,
                                                    const Candidate& candidate,
                                                    const std::string& run) const {
  TRY_ASSIGN(const UniqueFd from, open_drop_folder(candidate.folder));
  Claim claim;
  claim.jobs = path_;
  claim.file = candidate.file;
  if (!candidate.folder.empty()) {
    TRY_ASSIGN(const struct stat st, posix::stat_fd(from.get()));
    claim.folder = DropFolder{st.st_uid, st.st_mode};
  }
  TRY(work.put_claim(run, claim));
  TRY_ASSIGN(const UniqueFd run_folder, open_or_make(running_.get(), run, 0755));
  const Result<void> moved =
      posix::rename_at(from.get(), candidate.file, run_folder.get(), kJobFile);
  if (!moved) {
    TRY(undo_claim(work, run));
    if (moved.error().is(std::errc::no_such_file_or_directory)) return std::nullopt;
    return moved.error();
  }
  TRY(posix::sync_fd(run_folder.get()));
  TRY(posix::sync_fd(running_.get()));
  TRY_ASSIGN(ClaimedRun claimed, decide(work, run, std::move(claim), run_folder));
  return claimed;
}

// Steps 3 and 4, then the rest.
Result<ClaimedRun> JobsFolder::decide(const WorkRoot& work, const std::string& run, Claim claim,
                                      const UniqueFd& run_folder) const {
  TRY_ASSIGN(const struct stat st, posix::stat_at(run_folder.get(), kJobFile, AT_SYMLINK_NOFOLLOW));
  Result<uint32_t> owner = decide_owner(st, claim.folder, root_jobs_);
  if (!owner) return ClaimedRun{run, claim.file, owner.error(), st.st_uid, st.st_gid};
  claim.owner = *owner;
  claim.file_gid = st.st_gid;
  TRY(work.put_claim(run, claim));
  return give_away(work, run, claim, run_folder);
}

// Step 5. Repeats what was done already without harm.
Result<ClaimedRun> JobsFolder::give_away(const WorkRoot& work, const std::string& run,
                                         const Claim& claim, const UniqueFd& run_folder) const {
  TRY_ASSIGN(const UniqueFd work_folder, work.make_folder(run));
  if (::geteuid() == 0) {
    TRY_ASSIGN(const Account account, find_account(*claim.owner, claim.file_gid));
    for (const UniqueFd* folder : {&run_folder, &work_folder}) {
      if (::fchown(folder->get(), account.uid, account.gid) < 0) {
        return Error::from_errno(errno, "give the run to its user");
      }
    }
  }
  return ClaimedRun{run, claim.file, *claim.owner, *claim.owner, claim.file_gid};
}

// The file was not taken: what step 2 made goes, then the claim.
Result<void> JobsFolder::undo_claim(const WorkRoot& work, const std::string& run) const {
  TRY(posix::unlink_at(running_.get(), run, AT_REMOVEDIR));
  work.remove_claim(run);
  return {};
}

Result<std::vector<ClaimedRun>> JobsFolder::recover(const WorkRoot& work) const {
  TRY_ASSIGN(const std::vector<std::string> names, posix::list_directory_fd(running_.get()));
  std::vector<ClaimedRun> runs;
  for (const std::string& run : names) {
    Result<std::optional<ClaimedRun>> recovered = recover_run(work, run);
    if (!recovered) {
      // One run that cannot be looked at must not keep the others, and new jobs, waiting.
      log::error("a run cannot be continued", {{"run", run}, {"error", recovered.error().text()}});
    } else if (*recovered) {
      runs.push_back(**std::move(recovered));
    }
  }
  remove_stale_claims(work);
  return runs;
}

Result<std::optional<ClaimedRun>> JobsFolder::recover_run(const WorkRoot& work,
                                                          const std::string& run) const {
  Result<std::optional<Claim>> claim = work.claim(run);
  if (claim && !*claim && !work.has_folder(run)) {
    log::warning("a folder in running/ is left alone: this agent did not claim it",
                 {{"folder", run_path(run)}});
    return std::nullopt;
  }
  TRY_ASSIGN(const UniqueFd run_folder, open_folder(running_.get(), run));
  TRY_ASSIGN(const struct stat run_st, posix::stat_fd(run_folder.get()));
  TRY_ASSIGN(const auto job, stat_if_there(run_folder.get(), kJobFile));
  const auto nobody = [&](std::string_view why) {
    return ClaimedRun{run, claim && *claim ? (*claim)->file : "", unknown_owner(why),
                      job ? job->st_uid : run_st.st_uid, 0};
  };
  if (!claim) return nobody(claim.error().text());
  if (!*claim) return nobody("its claim is missing");
  const Claim& recorded = **claim;
  const bool is_ours = run_st.st_uid == ::geteuid();
  if (recorded.owner) {
    if (!is_ours && run_st.st_uid != *recorded.owner) {
      return nobody(fmt::format("it was claimed for user {}, but its folder belongs to user {}",
                                *recorded.owner, run_st.st_uid));
    }
    TRY_ASSIGN(ClaimedRun given, give_away(work, run, recorded, run_folder));
    return given;
  }
  if (!is_ours) {
    return nobody(fmt::format("its folder already belongs to user {}", run_st.st_uid));
  }
  if (!job) {
    TRY(undo_claim(work, run));
    return std::nullopt;
  }
  TRY_ASSIGN(ClaimedRun decided, decide(work, run, recorded, run_folder));
  return decided;
}

// A claim that names a user stays until its run is seen to have ended: running/ may be elsewhere
// today, because the mount that it lies in is away.
void JobsFolder::remove_stale_claims(const WorkRoot& work) const {
  const Result<std::vector<std::string>> claimed = work.claimed();
  if (!claimed) return;
  const auto has = [](const UniqueFd& folder, const std::string& run) {
    return posix::stat_at(folder.get(), run, AT_SYMLINK_NOFOLLOW).has_value();
  };
  for (const std::string& run : *claimed) {
    const Result<std::optional<Claim>> claim = work.claim(run);
    if (!claim || !*claim || (*claim)->jobs != path_ || has(running_, run)) continue;
    if ((*claim)->owner && !has(done_, run) && !has(failed_, run)) continue;
    work.remove_if_empty(run);
    work.remove_claim(run);
  }
}

Result<void> JobsFolder::write_notes(const std::string& run,
                                     const std::vector<RunNote>& notes) const {
  TRY_ASSIGN(const UniqueFd folder, open_folder(running_.get(), run));
  // From here on nobody else can exchange what is in it.
  if (::geteuid() == 0 && ::fchown(folder.get(), 0, 0) < 0) {
    return Error::from_errno(errno, "take the run back");
  }
  if (::fchmod(folder.get(), 0755) < 0) return Error::from_errno(errno, "take the run back");
  for (const RunNote& note : notes) {
    static_cast<void>(posix::unlink_at(folder.get(), note.name));
    TRY_ASSIGN(const UniqueFd file, posix::open_at(folder.get(), note.name,
                                                   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644));
    TRY(posix::write_all(file.get(), note.text));
    TRY(posix::sync_fd(file.get()));
  }
  return posix::sync_fd(folder.get());
}

Result<void> JobsFolder::finish(const WorkRoot& work, const std::string& run, Ending ending) const {
  const UniqueFd& to = ending == Ending::done ? done_ : failed_;
  TRY(posix::rename_at(running_.get(), run, to.get(), run));
  TRY(posix::sync_fd(to.get()));
  TRY(posix::sync_fd(running_.get()));
  work.remove_if_empty(run);
  work.remove_claim(run);
  return {};
}

}  // namespace tierhub::compute
