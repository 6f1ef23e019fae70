// What a runner and the wrapper of a task on another machine say to one another. The runner starts `tieragent --run-task` there. On
// its standard input come lines: a StepOrder, then beats (lease.h), and further orders if the first says so. The wrapper's standard
// output is the task's, and between the task's lines it puts records, which a nonce that only the two know marks as its own. On
// its standard error are records alone.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
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
  // After the end of this task the wrapper waits for another order, with the same nonce, or for
  // kEnough.
  bool more = false;
};

inline constexpr std::string_view kEnough = "enough";

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

// What a task wrote, and the record after it.
struct StepPiece {
  std::string text;
  std::optional<StepRecord> record;
};

// Separates the records from what tasks write. One wrapper; one thread.
class StepOutput {
 public:
  explicit StepOutput(std::string_view nonce);

  // Keeps back what may become a record.
  std::vector<StepPiece> write(std::string_view bytes);
  // The end of the output: what was kept back is the task's.
  std::string end();

 private:
  // Records are short; what is longer is none.
  static constexpr size_t kMaxRecordBytes = 64 * 1024;
  std::string mark_;
  std::string kept_;
};

// 32 hexadecimal digits out of the kernel's random numbers.
Result<std::string> make_nonce();

}  // namespace tierhub::compute
