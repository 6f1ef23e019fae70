// The one log of a run, run.log: a line per line that a task wrote, with the time and the task.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "common/result.h"
#include "common/unique_fd.h"
#include "compute/measured.h"

namespace tierhub::compute {

// One thread.
class RunLog {
 public:
  // What goes beyond this many bytes is dropped, and a last line says so.
  static constexpr uint64_t kMaxBytes = uint64_t{1} << 30;
  static Result<RunLog> open(const std::string& path);

  // "2026-01-02T03:04:05Z segment.0003 | text". A log that cannot be written stops no run.
  void line(std::string_view source, std::string_view text);

 private:
  RunLog(UniqueFd fd, uint64_t bytes) : fd_(std::move(fd)), bytes_(bytes) {}
  UniqueFd fd_;
  uint64_t bytes_ = 0;
};

// Cuts what one process writes into lines and remembers the last few.
class OutputLines {
 public:
  static constexpr size_t kMaxLineBytes = 16 * 1024;
  static constexpr size_t kRemembered = 20;

  explicit OutputLines(std::string source) : source_(std::move(source)) {}
  void write(std::string_view bytes, RunLog& log);
  // The end of the output: a last line without a line feed is a line too.
  void end(RunLog& log);
  const std::deque<std::string>& last() const { return last_; }
  // The lines that are for the run's report; they count only if the process succeeds.
  TaskReport& report() { return report_; }

 private:
  void flush(RunLog& log);
  std::string source_;
  std::string partial_;
  std::deque<std::string> last_;
  TaskReport report_;
};

}  // namespace tierhub::compute
