// The one log of a run, run.log: one line for each line that a task wrote, with the time and the
// task.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "compute/executors/measured.h"

namespace tierhub::compute {

// One thread.
class RunLog {
 public:
  // The file never gets longer, but for the line of `end`.
  static constexpr uint64_t kMaxBytes = 64 << 20;
  static Result<RunLog> open(const std::string& path, uint64_t max_bytes = kMaxBytes);

  // "2026-01-02T03:04:05Z segment.0003 | text". A log that cannot be written stops no run.
  void line(std::string_view source, std::string_view text);
  // What a task wrote; the last eighth of the file is kept free for the runner's own lines.
  void task_line(std::string_view source, std::string_view text, Timestamp when);
  // Says how much was left out, if anything was.
  void end();

 private:
  RunLog(UniqueFd fd, uint64_t bytes, uint64_t max_bytes)
      : fd_(std::move(fd)), bytes_(bytes), max_bytes_(max_bytes) {}
  void write(std::string_view source, std::string_view text, Timestamp when, uint64_t limit_bytes);

  UniqueFd fd_;
  uint64_t bytes_ = 0;
  uint64_t max_bytes_ = kMaxBytes;
  uint64_t dropped_lines_ = 0;
  uint64_t dropped_bytes_ = 0;
};

// Cuts what one process writes into lines and remembers the last few. A process that writes very
// much gets its first and its last lines into the log, so that it takes no room from the others.
class OutputLines {
 public:
  static constexpr size_t kMaxLineBytes = 16 * 1024;
  static constexpr size_t kRemembered = 20;
  static constexpr uint64_t kHeadBytes = 4 << 20;
  static constexpr uint64_t kTailBytes = 64 << 10;

  explicit OutputLines(std::string source) : source_(std::move(source)) {}
  void write(std::string_view bytes, RunLog& log);
  // The end of the output: a last line without a line feed is a line too.
  void end(RunLog& log);
  const std::deque<std::string>& last() const { return last_; }
  // The lines that are for the run's report; they count only if the process succeeds.
  TaskReport& report() { return report_; }

 private:
  struct Line {
    std::string text;
    Timestamp when;
  };
  void flush(RunLog& log);
  void keep(std::string_view text, RunLog& log);

  std::string source_;
  std::string partial_;
  std::deque<std::string> last_;
  TaskReport report_;
  uint64_t head_bytes_ = 0;  // written to the log
  std::deque<Line> tail_;    // what comes after them, as far as it is kept
  uint64_t tail_bytes_ = 0;
  uint64_t dropped_lines_ = 0;
  uint64_t dropped_bytes_ = 0;
};

}  // namespace tierhub::compute
