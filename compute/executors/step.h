// What a runner and the wrapper of a task on another machine say to one another. The runner starts `tieragent --run-task` there. On
// its standard input come lines: a StepOrder, then beats (lease.h). The wrapper's standard output is the task's, and between the
// task's lines it puts records, which a nonce that only the two know marks as its own. On its standard error are records alone.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/result.h"
#include "compute/executors/executor.h"

namespace tierhub::compute {

struct StepOrder {
  std::string nonce;
  ProcessSpec process;  // the program as the workflow names it: it is looked for on that machine
  Resources limits;
  std::string setup;  // a shell script that is read before the program starts; empty: none
  std::chrono::milliseconds lease{0};  // of the wrapper
};

// One line, without its line feed.
std::string to_json(const StepOrder& order);
Result<StepOrder> parse_order(std::string_view json);

// `begun`: before the program starts; the wrapper is on its machine. `ended`: nothing of the task
// runs there any more. `alive`: see lease.h.
struct StepRecord {
  enum class Kind { begun, ended, alive } kind = Kind::begun;
  std::string node;
  TaskEnd end = TaskEnd::failed;
  int exit_code = 0;
  std::string reason = {};
  uint64_t peak_bytes = 0;
  double processor_s = 0;
  uint64_t alive = 0;  // its number
};

// A whole line, with the mark.
std::string to_line(const StepRecord& record, std::string_view nonce);

// Separates the records from what the task writes. One task; one thread.
class StepOutput {
 public:
  explicit StepOutput(std::string_view nonce);

  // Returns the bytes of the task among these; keeps back what may become a record.
  std::string write(std::string_view bytes);
  // The end of the output: what was kept back is the task's.
  std::string end();

  const std::optional<StepRecord>& begun() const { return begun_; }
  const std::optional<StepRecord>& ended() const { return ended_; }
  // The last that has come since it was taken.
  std::optional<uint64_t> take_alive() { return std::exchange(alive_, std::nullopt); }

 private:
  // Records are short; what is longer is none.
  static constexpr size_t kMaxRecordBytes = 64 * 1024;
  void note(std::string_view json);

  std::string mark_;
  std::string kept_;
  std::optional<StepRecord> begun_;
  std::optional<StepRecord> ended_;
  std::optional<uint64_t> alive_;
};

// 32 hexadecimal digits out of the kernel's random numbers.
Result<std::string> make_nonce();

}  // namespace tierhub::compute
