#include "compute/run/past_runs.h"

#include <algorithm>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/posix.h"
#include "compute/executors/text.h"
#include "compute/run/status.h"
#include "compute/workflow/job_names.h"

namespace tierhub::compute {
namespace {

// Each is a file that may have to be fetched first.
constexpr size_t kMostLookedAt = 100;
constexpr double kHeldUp = 0.05;
// Copying is part of the time of both, or of neither.
constexpr uint64_t kSameBytes = uint64_t{64} << 20;

bool was_held_up(const EndLine& line) {
  return line.waited_for_slots_s > kHeldUp * line.wall_s * line.workers;
}

bool copied_alike(const EndLine& a, const EndLine& b) {
  const auto [less, more] = std::minmax(a.bytes_copied, b.bytes_copied);
  return more - less <= std::max(kSameBytes, more / 10);
}

}  // namespace

Baseline find_baseline(const std::string& done_folder, const EndLine& ours) {
  if (ours.work_key.empty())
    return {"", 0, "the run was interrupted, repeats another one, or did not do everything"};
  if (was_held_up(ours)) return {"", 0, "other runs had a part of the workers meanwhile"};
  if (ours.workers == 1) return {"", 0, "this run had one worker itself"};
  Baseline none{"", 0, ""};
  none.why_none =
      "no run with one worker of the same workflow, values and input, and as undisturbed, is "
      "among your newest runs in done/";
  const Result<UniqueFd> folder =
      posix::open_at(AT_FDCWD, done_folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!folder) return none;
  Result<std::vector<std::string>> names = posix::list_directory_fd(folder->get());
  if (!names) return none;
  std::sort(names->begin(), names->end(), [](const std::string& a, const std::string& b) {
    return time_of_run(a) > time_of_run(b);
  });
  size_t looked_at = 0;
  for (const std::string& name : *names) {
    const Result<struct stat> st = posix::stat_at(folder->get(), name, AT_SYMLINK_NOFOLLOW);
    if (!st || !S_ISDIR(st->st_mode) || st->st_uid != ::geteuid()) continue;
    if (++looked_at > kMostLookedAt) break;
    const Result<UniqueFd> run =
        posix::open_at(folder->get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!run) continue;
    const std::optional<EndLine> line = read_end_line(run->get());
    if (!line || line->state != "done" || line->work_key != ours.work_key || line->workers != 1 ||
        was_held_up(*line)) {
      continue;
    }
    if (copied_alike(*line, ours)) return {name, line->wall_s, ""};
    none.why_none = fmt::format(
        "{} did the same with one worker, but {} of its input had to be copied from the archive, "
        "and {} for this run",
        name, size_text(line->bytes_copied), size_text(ours.bytes_copied));
  }
  return none;
}

}  // namespace tierhub::compute
