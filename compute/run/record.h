// What a run has finished, in tasks.jsonl in its folder: written line by line and read after a
// crash, so that no finished task runs again.
#pragma once

#include <cstdint>
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
  std::string boot_id;       // of the machine when the run began
  std::string job_checksum;  // of job.yaml
  Timestamp started;
  std::vector<std::string> item_paths;
};

// One thread.
class RunRecord {
 public:
  // Reads what an earlier runner wrote; a line that was cut short is dropped.
  static Result<RunRecord> open(const std::string& path);

  const std::optional<RunHeader>& header() const { return header_; }
  const std::vector<TaskRecord>& finished() const { return finished_; }
  // The output was about to be renamed into place.
  bool placing() const { return placing_; }
  // "done", "failed" or "cancelled"; empty while the run goes on.
  const std::string& ended() const { return ended_; }

  // Forgets everything, then writes the first line.
  Result<void> begin(const RunHeader& header);
  Result<void> add_finished(const TaskRecord& task);
  Result<void> mark_placing();
  Result<void> mark_ended(std::string_view state);

 private:
  explicit RunRecord(UniqueFd fd) : fd_(std::move(fd)) {}
  void read_line(std::string_view line);

  UniqueFd fd_;
  std::optional<RunHeader> header_;
  std::vector<TaskRecord> finished_;
  bool placing_ = false;
  std::string ended_;
};

}  // namespace tierhub::compute
