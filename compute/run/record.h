// What a run has finished, in tasks.jsonl in its folder: written line by line and read after a
// crash, so that no finished task runs again.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "compute/run/status.h"

namespace tierhub::compute {

// The first line: what the run was planned with.
struct RunHeader {
  std::string boot_id;       // of the run's files when it began: boot_of_files()
  std::string job_checksum;  // of job.yaml
  Timestamp started;
  std::vector<std::string> item_paths;
  ParameterValues values = {};  // given beside the workflow's text
  // What the inputs looked like, by their paths: staging/fingerprint.h.
  std::map<std::string, std::string> seen = {};
  std::string takes_up = {};  // the run whose failures this one repeats, or empty
  std::string work_key = {};  // of the workflow's text, its values and its input, as they were
};

// What a run says of itself in its last line, so that later runs can be compared with it.
struct EndLine {
  std::string state;     // "done", "failed", "cancelled"
  std::string work_key;  // empty: not to be compared with, because it was interrupted
  unsigned workers = 0;
  double wall_s = 0;
  double waited_for_slots_s = 0;
  uint64_t bytes_copied = 0;
  std::string output = {};  // where what it wrote is; empty: it wrote nothing
  bool work_kept = false;   // there is something in its work folder
};

// One thread.
class RunRecord {
 public:
  // Reads what an earlier runner wrote; a line that was cut short is dropped.
  static Result<RunRecord> open(const std::string& path);
  // The same, to be looked at only.
  static Result<RunRecord> read(const std::string& path);

  const std::optional<RunHeader>& header() const { return header_; }
  const std::vector<TaskRecord>& finished() const { return finished_; }
  const std::vector<TaskRecord>& failed() const { return failed_; }
  // The output was about to be renamed into place.
  bool placing() const { return placing_; }
  // All that was to be taken up of header()->takes_up is among finished().
  bool has_taken_up() const { return taken_up_; }
  // "done", "failed" or "cancelled"; empty while the run goes on.
  const std::string& ended() const { return ended_; }

  // Forgets everything, then writes the first line.
  Result<void> begin(const RunHeader& header);
  Result<void> add_finished(const TaskRecord& task);
  // One that failed for good, in a run that carries on.
  Result<void> add_failed(const TaskRecord& task);
  Result<void> mark_taken_up();
  Result<void> mark_placing();
  Result<void> mark_ended(const EndLine& line);

 private:
  explicit RunRecord(UniqueFd fd) : fd_(std::move(fd)) {}
  void read_line(std::string_view line);
  // How many bytes of the text are whole lines.
  size_t read_lines(std::string_view text);

  UniqueFd fd_;
  std::optional<RunHeader> header_;
  Result<void> add(const TaskRecord& task);

  std::vector<TaskRecord> finished_;
  std::vector<TaskRecord> failed_;
  bool taken_up_ = false;
  bool placing_ = false;
  std::string ended_;
};

// The last line of the tasks.jsonl of a run that has ended; nothing if it has not, or if the file
// cannot be read. Reads the end of the file only.
std::optional<EndLine> read_end_line(int run_folder_fd);

}  // namespace tierhub::compute
