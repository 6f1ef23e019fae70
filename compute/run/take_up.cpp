#include "compute/run/take_up.h"

#include <algorithm>
#include <cstdio>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <limits.h>

#include "common/posix.h"
#include "compute/run/output_place.h"

namespace tierhub::compute {
namespace {

constexpr const char* kRepeatedBy = "REPEATED_BY";
constexpr size_t kCopiedAtOnce = size_t{16} << 20;

bool is_there(const std::string& path) {
  struct stat st {};
  return ::lstat(path.c_str(), &st) == 0;
}

bool has_content(const std::string& folder) {
  const Result<UniqueFd> fd = posix::open_at(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!fd) return false;
  const Result<std::vector<std::string>> names = posix::list_directory_fd(fd->get());
  return names && !names->empty();
}

Error cannot_repeat(const std::string& run, std::string_view why) {
  return {std::errc::invalid_argument, fmt::format("{} cannot be repeated: {}", run, why)};
}

Error claimed_already(const EarlierRun& earlier, const std::string& by) {
  return cannot_repeat(earlier.run,
                       fmt::format("{} has taken up what it had finished: repeat that one", by));
}

Result<void> copy_content(int from, int to) {
  for (;;) {
    const ssize_t n = ::copy_file_range(from, nullptr, to, nullptr, kCopiedAtOnce, 0);
    if (n == 0) return {};
    if (n > 0 || errno == EINTR) continue;
    if (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS)
      return Error::from_errno(errno, "copy");
    break;
  }
  std::vector<char> buffer(1 << 20);
  for (;;) {
    const ssize_t n = ::read(from, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(errno, "read");
    if (n == 0) return {};
    TRY(posix::write_all(to, std::string_view(buffer.data(), static_cast<size_t>(n))));
  }
}

using GoOn = std::function<Result<void>()>;

Result<void> copy_tree(int from, int to, const GoOn& go_on);

Result<void> copy_entry(int from, int to, const std::string& name, const GoOn& go_on) {
  TRY(go_on());
  TRY_ASSIGN(const struct stat st, posix::stat_at(from, name, AT_SYMLINK_NOFOLLOW));
  if (S_ISLNK(st.st_mode)) {
    std::string target(static_cast<size_t>(st.st_size) + 1, '\0');
    const ssize_t n = ::readlinkat(from, name.c_str(), target.data(), target.size());
    if (n < 0) return Error::from_errno(errno, "read the link " + name);
    target.resize(static_cast<size_t>(n));
    if (::symlinkat(target.c_str(), to, name.c_str()) < 0)
      return Error::from_errno(errno, "make the link " + name);
    return {};
  }
  if (S_ISDIR(st.st_mode)) {
    TRY(posix::make_directory_at(to, name, 0777));
    constexpr int kFolder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
    TRY_ASSIGN(const UniqueFd below, posix::open_at(from, name, kFolder));
    TRY_ASSIGN(const UniqueFd made, posix::open_at(to, name, kFolder));
    return copy_tree(below.get(), made.get(), go_on);
  }
  if (!S_ISREG(st.st_mode)) {
    return Error(std::errc::invalid_argument, name + " is neither a file, a folder nor a link");
  }
  TRY_ASSIGN(const UniqueFd source, posix::open_at(from, name, O_RDONLY | O_NOFOLLOW));
  TRY_ASSIGN(const UniqueFd made, posix::open_at(to, name, O_WRONLY | O_CREAT | O_EXCL,
                                                 static_cast<mode_t>(st.st_mode & 0777)));
  const Result<void> copied = copy_content(source.get(), made.get());
  if (!copied) return copied.error().in(name);
  return {};
}

Result<void> copy_tree(int from, int to, const GoOn& go_on) {
  TRY_ASSIGN(const std::vector<std::string> names, posix::list_directory_fd(from));
  for (const std::string& name : names) TRY(copy_entry(from, to, name, go_on));
  return {};
}

// Step 3.
Result<void> copy_results(const EarlierRun& earlier, const TakeUpPlaces& places,
                          const GoOn& go_on) {
  TRY(empty_folder(places.hidden));
  constexpr int kFolder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
  TRY_ASSIGN(const UniqueFd from, posix::open_at(AT_FDCWD, earlier.end.output, kFolder));
  TRY_ASSIGN(const UniqueFd to, posix::open_at(AT_FDCWD, places.hidden, kFolder));
  const Result<void> copied = copy_tree(from.get(), to.get(), go_on);
  if (copied) return {};
  // A part of another run's results is nobody's.
  static_cast<void>(empty_folder(places.hidden));
  return copied.error().in(fmt::format("copy the results of {}", earlier.run));
}

// Step 4.
Result<void> claim_earlier(const EarlierRun& earlier, const std::string& run) {
  const std::string link = earlier.folder + "/" + kRepeatedBy;
  if (::symlink(run.c_str(), link.c_str()) == 0) return {};
  if (errno != EEXIST) return Error::from_errno(errno, "make the link " + link);
  const std::string by = repeated_by(earlier);
  if (by == run) return {};
  return claimed_already(earlier, by);
}

// Step 5.
Result<void> move_output(const EarlierRun& earlier, const TakeUpPlaces& places, const GoOn& go_on) {
  const std::string& from = earlier.end.output;
  if (from.empty() || !is_there(from)) return {};  // nothing was written, or it was moved before
  static_cast<void>(go_on());
  if (::rmdir(places.hidden.c_str()) < 0 && errno != ENOENT)
    return Error::from_errno(errno, "remove " + places.hidden);
  static_cast<void>(go_on());
  return posix::rename_at(AT_FDCWD, from, AT_FDCWD, places.hidden);
}

Result<void> move_work(const TakeUpPlaces& places, const GoOn& go_on) {
  constexpr int kFolder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
  const Result<UniqueFd> from = posix::open_at(AT_FDCWD, places.earlier_work, kFolder);
  if (!from && from.error().is(std::errc::no_such_file_or_directory)) return {};
  if (!from) return from.error();
  TRY_ASSIGN(const UniqueFd to, posix::open_at(AT_FDCWD, places.work, kFolder));
  TRY_ASSIGN(const std::vector<std::string> names, posix::list_directory_fd(from->get()));
  for (const std::string& name : names) {
    static_cast<void>(go_on());
    TRY(posix::rename_at(from->get(), name, to.get(), name, RENAME_NOREPLACE));
  }
  return {};
}

}  // namespace

std::string repeated_by(const EarlierRun& earlier) {
  char target[PATH_MAX];
  const ssize_t n = ::readlink((earlier.folder + "/" + kRepeatedBy).c_str(), target, sizeof target);
  return n <= 0 ? "" : std::string(target, static_cast<size_t>(n));
}

Result<EarlierRun> open_earlier_run(const std::string& jobs_folder, const std::string& run) {
  if (run.empty() || run.front() == '.' || run.find('/') != std::string::npos)
    return Error(std::errc::invalid_argument, fmt::format("'{}' is not the name of a run", run));
  EarlierRun earlier;
  earlier.run = run;
  for (const char* where : {"done", "failed"}) {
    const std::string folder = fmt::format("{}/{}/{}", jobs_folder, where, run);
    if (is_there(folder)) earlier.folder = folder;
  }
  if (earlier.folder.empty()) {
    if (is_there(fmt::format("{}/running/{}", jobs_folder, run)))
      return cannot_repeat(run, "it has not ended yet");
    return Error(std::errc::no_such_file_or_directory,
                 fmt::format("there is no run {} in done/ or failed/ of {}", run, jobs_folder));
  }
  TRY_ASSIGN(const UniqueFd folder,
             posix::open_at(AT_FDCWD, earlier.folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  TRY_ASSIGN(const struct stat st, posix::stat_fd(folder.get()));
  if (st.st_uid != ::geteuid()) return cannot_repeat(run, "it is another user's");
  const std::optional<EndLine> end = read_end_line(folder.get());
  if (!end) return cannot_repeat(run, "it began nothing: drop its workflow again");
  TRY_ASSIGN(const RunRecord record, RunRecord::read(earlier.folder + "/tasks.jsonl"));
  if (!record.header()) return cannot_repeat(run, "it began nothing: drop its workflow again");
  if (!record.header()->takes_up.empty() && !record.has_taken_up()) {
    return cannot_repeat(run, fmt::format("it ended before it had taken up {}: repeat that one",
                                          record.header()->takes_up));
  }
  if (end->state == "done" && record.failed().empty())
    return cannot_repeat(run, "everything in it is done");
  earlier.header = *record.header();
  earlier.end = *end;
  earlier.finished = record.finished();
  Result<std::string> text = read_workflow_file(earlier.folder + "/workflow.yaml");
  if (!text && text.error().is(std::errc::no_such_file_or_directory))
    text = read_workflow_file(earlier.folder + "/job.yaml");
  if (!text) return text.error();
  earlier.job = {*std::move(text), earlier.header.values};
  return earlier;
}

std::set<TaskId> tasks_to_take_up(const Workflow& workflow, size_t items,
                                  const std::set<TaskId>& finished,
                                  const std::function<bool(TaskId)>& is_usable) {
  const std::vector<Step>& steps = workflow.steps;
  const auto tasks_of = [&](size_t step) { return steps[step].runs_once() ? 1 : items; };
  std::set<TaskId> taken;
  for (const TaskId task : finished) {
    if (task.step < steps.size() && task.index < tasks_of(task.step) && is_usable(task))
      taken.insert(task);
  }
  const auto whole = [&](size_t step) {
    for (size_t index = 0; index < tasks_of(step); ++index) {
      if (!taken.contains({step, index})) return false;
    }
    return true;
  };
  // What waits for a task that runs again runs again; until nothing changes.
  for (size_t before = taken.size() + 1; before != taken.size();) {
    before = taken.size();
    for (size_t step = 0; step < steps.size(); ++step) {
      const Step& what = steps[step];
      bool is_lost = false;
      std::vector<size_t> aligned;
      for (const size_t from : what.gather) is_lost = is_lost || !whole(from);
      for (const size_t from : what.after) {
        if (!what.runs_once() && !steps[from].runs_once()) {
          aligned.push_back(from);
        } else {
          is_lost = is_lost || !whole(from);
        }
      }
      std::erase_if(taken, [&](TaskId task) {
        if (task.step != step) return false;
        return is_lost || std::any_of(aligned.begin(), aligned.end(), [&](size_t from) {
                 return !taken.contains({from, task.index});
               });
      });
    }
  }
  return taken;
}

std::optional<std::string> why_nothing_is_left(const EarlierRun& earlier, const std::string& run,
                                               const std::string& boot_id, const std::string& work,
                                               const std::string& hidden) {
  if (earlier.header.boot_id != boot_id)
    return "the machine was restarted since, so that its files may be torn";
  const bool is_ours = repeated_by(earlier) == run;
  if (earlier.end.work_kept && !is_there(work)) return "its work folder is gone";
  const bool was_moved = is_ours && has_content(hidden);
  if (!earlier.end.output.empty() && !is_there(earlier.end.output) && !was_moved)
    return fmt::format("its output {} is gone", earlier.end.output);
  return std::nullopt;
}

Result<void> take_files(const EarlierRun& earlier, const TakeUpPlaces& places,
                        const std::function<Result<void>()>& go_on) {
  const std::string by = repeated_by(earlier);
  if (!by.empty() && by != places.run) return claimed_already(earlier, by);
  if (earlier.is_done()) TRY(copy_results(earlier, places, go_on));
  static_cast<void>(go_on());
  TRY(claim_earlier(earlier, places.run));
  if (!earlier.is_done()) TRY(move_output(earlier, places, go_on));
  return move_work(places, go_on);
}

}  // namespace tierhub::compute
