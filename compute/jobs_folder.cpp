#include "compute/jobs_folder.h"

#include <charconv>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/posix.h"
#include "compute/job_names.h"

namespace tierhub::compute {
namespace {

constexpr const char* kJobFile = "job.yaml";
constexpr const char* kClaimFile = ".claim";

// A folder that belongs to this process's user and that nobody else can write.
Result<void> check_own(const UniqueFd& folder, const std::string& path) {
  TRY_ASSIGN(const struct stat st, posix::stat_fd(folder.get()));
  if (st.st_uid != ::geteuid()) {
    return Error(std::errc::permission_denied,
                 fmt::format("{} belongs to user {}, but tieragent runs as user {}: give it to "
                             "tieragent's user (chown), or watch another folder",
                             path, st.st_uid, ::geteuid()));
  }
  if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return Error(
        std::errc::permission_denied,
        fmt::format("others can write {}, so they could exchange runs: take the permission "
                    "away (chmod go-w {})",
                    path, path));
  }
  return {};
}

Result<UniqueFd> open_or_make(int parent, const std::string& name, mode_t mode) {
  const Result<void> made = posix::make_directory_at(parent, name, mode);
  if (!made && !made.error().is(std::errc::file_exists)) return made.error();
  TRY_ASSIGN(UniqueFd folder, posix::open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  // mkdir obeys the umask, which is not for us here.
  if (made && ::fchmod(folder.get(), mode) < 0) return Error::from_errno(errno, "chmod " + name);
  return folder;
}

Result<UniqueFd> open_folder(int parent, const std::string& name) {
  return posix::open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

// What .claim holds: "<uid> <mode>" of the drop folder, or "shared", and the file's name.
std::string claim_text(const std::optional<DropFolder>& folder, const std::string& file) {
  if (!folder) return "shared\n" + file;
  return fmt::format("{} {}\n{}", folder->uid, folder->mode, file);
}

struct ClaimNote {
  std::optional<DropFolder> folder;
  std::string file;
};

Result<ClaimNote> parse_claim(std::string_view text) {
  const size_t line_end = std::min(text.find('\n'), text.size());
  ClaimNote note;
  note.file = text.substr(std::min(line_end + 1, text.size()));
  const std::string_view line = text.substr(0, line_end);
  if (line == "shared") return note;
  DropFolder folder;
  const size_t space = std::min(line.find(' '), line.size());
  const char* end = line.data() + line.size();
  const auto uid = std::from_chars(line.data(), line.data() + space, folder.uid);
  const auto mode = space < line.size() ? std::from_chars(line.data() + space + 1, end, folder.mode)
                                        : std::from_chars_result{end, std::errc::invalid_argument};
  if (uid.ec != std::errc() || mode.ec != std::errc()) {
    return Error(std::errc::invalid_argument, "the note about the claim is damaged");
  }
  note.folder = folder;
  return note;
}

}  // namespace

Result<WorkRoot> WorkRoot::open(const std::string& path) {
  TRY(posix::make_directories(path, 0711));
  TRY_ASSIGN(UniqueFd fd, posix::open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY));
  TRY(check_own(fd, path));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) < 0) {
    return Error(std::errc::device_or_resource_busy,
                 fmt::format("another tieragent uses the work folder {}: stop it, or give this one "
                             "its own with --work DIR",
                             path));
  }
  return WorkRoot(path, std::move(fd));
}

bool WorkRoot::has(const std::string& run) const {
  return posix::stat_at(fd_.get(), run, AT_SYMLINK_NOFOLLOW).has_value();
}

void WorkRoot::remove_if_empty(const std::string& run) const {
  static_cast<void>(::unlinkat(fd_.get(), run.c_str(), AT_REMOVEDIR));
}

void WorkRoot::forget_claim(const std::string& run) const {
  const Result<UniqueFd> folder = open_folder(fd_.get(), run);
  if (!folder) return;
  const Result<struct stat> st = posix::stat_fd(folder->get());
  if (st && st->st_uid == ::geteuid()) ::unlinkat(folder->get(), kClaimFile, 0);
  remove_if_empty(run);
}

Result<JobsFolder> JobsFolder::open(const std::string& path, RootJobs root_jobs) {
  TRY(posix::make_directories(path, 0755));
  TRY_ASSIGN(const UniqueFd top, posix::open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY));
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
    if (st && S_ISDIR(st->st_mode)) folders.push_back(name);
  }
  return folders;
}

std::string JobsFolder::incoming_path(const std::string& folder) const {
  return path_ + "/incoming" + (folder.empty() ? "" : "/" + folder);
}

Result<UniqueFd> JobsFolder::open_drop_folder(const std::string& folder) const {
  return open_folder(incoming_.get(), folder.empty() ? "." : folder);
}

Result<std::vector<Candidate>> JobsFolder::candidates(const std::string& folder) const {
  std::vector<Candidate> found;
  TRY_ASSIGN(const UniqueFd fd, open_drop_folder(folder));
  TRY_ASSIGN(const std::vector<std::string> names, posix::list_directory_fd(fd.get()));
  for (const std::string& name : names) {
    if (!is_workflow_file(name)) continue;
    const Result<struct stat> st = posix::stat_at(fd.get(), name, AT_SYMLINK_NOFOLLOW);
    if (!st || (!S_ISREG(st->st_mode) && !S_ISLNK(st->st_mode))) continue;
    found.push_back({folder, name, *st});
  }
  return found;
}

bool JobsFolder::may_take(const Candidate& candidate) const {
  if (::geteuid() == 0) return true;
  if (candidate.folder.empty()) return candidate.st.st_uid == ::geteuid();
  const Result<struct stat> st =
      posix::stat_at(incoming_.get(), candidate.folder, AT_SYMLINK_NOFOLLOW);
  return st && st->st_uid == ::geteuid();
}

Result<std::optional<ClaimedRun>> JobsFolder::claim(const WorkRoot& work,
                                                    const Candidate& candidate,
                                                    const std::string& run) const {
  TRY_ASSIGN(const UniqueFd from, open_drop_folder(candidate.folder));
  std::optional<DropFolder> folder;
  if (!candidate.folder.empty()) {
    TRY_ASSIGN(const struct stat st, posix::stat_fd(from.get()));
    folder = DropFolder{st.st_uid, st.st_mode};
  }
  TRY(posix::make_directory_at(work.fd(), run, 0700));
  TRY_ASSIGN(const UniqueFd work_folder, open_folder(work.fd(), run));
  {
    TRY_ASSIGN(const UniqueFd note,
               posix::open_at(work_folder.get(), kClaimFile, O_WRONLY | O_CREAT | O_EXCL, 0600));
    TRY(posix::write_all(note.get(), claim_text(folder, candidate.file)));
  }
  TRY_ASSIGN(const UniqueFd run_folder, open_or_make(running_.get(), run, 0755));
  const Result<void> moved =
      posix::rename_at(from.get(), candidate.file, run_folder.get(), kJobFile);
  if (!moved) {
    TRY(posix::unlink_at(running_.get(), run, AT_REMOVEDIR));
    TRY(posix::unlink_at(work_folder.get(), kClaimFile));
    work.remove_if_empty(run);
    if (moved.error().is(std::errc::no_such_file_or_directory)) return std::nullopt;
    return moved.error();
  }
  TRY_ASSIGN(ClaimedRun claimed, verify(work, run));
  return claimed;
}

// Steps 3 to 5 of a claim. Repeats what was done already without harm.
Result<ClaimedRun> JobsFolder::verify(const WorkRoot& work, const std::string& run) const {
  TRY_ASSIGN(const UniqueFd work_folder, open_folder(work.fd(), run));
  TRY_ASSIGN(const UniqueFd run_folder, open_folder(running_.get(), run));
  TRY_ASSIGN(const UniqueFd file, posix::open_at(run_folder.get(), kJobFile, O_PATH | O_NOFOLLOW));
  TRY_ASSIGN(const struct stat st, posix::stat_fd(file.get()));
  TRY_ASSIGN(const struct stat run_st, posix::stat_fd(run_folder.get()));
  ClaimedRun claimed{run, "", run_st.st_uid, st.st_gid};
  // Only a folder that was not given away yet can hold a note that we wrote.
  if (run_st.st_uid == ::geteuid() && posix::stat_at(work_folder.get(), kClaimFile)) {
    TRY_ASSIGN(const std::string text,
               posix::read_file(fmt::format("{}/{}/{}", work.path(), run, kClaimFile)));
    TRY_ASSIGN(const ClaimNote note, parse_claim(text));
    claimed.file = note.file;
    claimed.owner = decide_owner(st, note.folder, root_jobs_);
    if (!claimed.owner) return claimed;
  }
  if (::geteuid() == 0) {
    TRY_ASSIGN(const Account account, find_account(*claimed.owner, st.st_gid));
    if (::fchown(run_folder.get(), account.uid, account.gid) < 0) {
      return Error::from_errno(errno, "give the run to its user");
    }
    static_cast<void>(posix::unlink_at(work_folder.get(), kClaimFile));
    if (::fchown(work_folder.get(), account.uid, account.gid) < 0) {
      return Error::from_errno(errno, "give the work folder to its user");
    }
  } else {
    static_cast<void>(posix::unlink_at(work_folder.get(), kClaimFile));
  }
  return claimed;
}

Result<std::vector<ClaimedRun>> JobsFolder::recover(const WorkRoot& work) const {
  TRY_ASSIGN(const std::vector<std::string> names, posix::list_directory_fd(running_.get()));
  std::vector<ClaimedRun> runs;
  for (const std::string& run : names) {
    if (!work.has(run)) continue;
    TRY_ASSIGN(std::optional<ClaimedRun> recovered, recover_run(work, run));
    if (recovered) runs.push_back(*std::move(recovered));
  }
  TRY_ASSIGN(const std::vector<std::string> works, posix::list_directory_fd(work.fd()));
  for (const std::string& run : works) {
    if (!posix::stat_at(running_.get(), run, AT_SYMLINK_NOFOLLOW)) work.forget_claim(run);
  }
  return runs;
}

Result<std::optional<ClaimedRun>> JobsFolder::recover_run(const WorkRoot& work,
                                                          const std::string& run) const {
  TRY_ASSIGN(const UniqueFd run_folder, open_folder(running_.get(), run));
  const Result<struct stat> job = posix::stat_at(run_folder.get(), kJobFile, AT_SYMLINK_NOFOLLOW);
  TRY_ASSIGN(const struct stat run_st, posix::stat_fd(run_folder.get()));
  if (!job && run_st.st_uid == ::geteuid()) {
    // The crash came before the file was claimed: it still lies in incoming/.
    if (::unlinkat(running_.get(), run.c_str(), AT_REMOVEDIR) == 0) {
      TRY_ASSIGN(const UniqueFd work_folder, open_folder(work.fd(), run));
      static_cast<void>(posix::unlink_at(work_folder.get(), kClaimFile));
      return std::nullopt;
    }
  }
  if (!job) return ClaimedRun{run, "", run_st.st_uid, run_st.st_gid};
  TRY_ASSIGN(ClaimedRun claimed, verify(work, run));
  return claimed;
}

Result<void> JobsFolder::finish(const std::string& run, Ending ending) const {
  const UniqueFd& to = ending == Ending::done ? done_ : failed_;
  TRY(posix::rename_at(running_.get(), run, to.get(), run));
  TRY(posix::sync_fd(to.get()));
  return posix::sync_fd(running_.get());
}

}  // namespace tierhub::compute
