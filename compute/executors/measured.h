// What tasks measured: the lines of their output that start with "report: ", for REPORT.txt.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "compute/workflow/schedule.h"

namespace tierhub::compute {

// Those of one task, without the prefix; bounded, whatever the task writes.
struct TaskReport {
  static constexpr std::string_view kPrefix = "report: ";
  static constexpr size_t kMaxLines = 200;
  static constexpr size_t kMaxLineBytes = 500;  // what is longer is cut

  // Takes a line of output; does nothing if it is not one for the report.
  void add(std::string_view output_line);

  std::vector<std::string> lines;
  uint64_t left_out = 0;  // lines beyond kMaxLines
};

// Those of a run: the first kMaxLines different ones in the order of tasks, in whatever order tasks
// end. One thread.
class Measured {
 public:
  static constexpr size_t kMaxLines = 200;

  void add(TaskId task, const TaskReport& report);
  std::vector<std::string> lines() const;
  uint64_t left_out() const { return left_out_; }

 private:
  using Place = std::pair<TaskId, size_t>;
  std::map<Place, std::string> lines_;
  std::map<std::string, Place> places_;
  uint64_t left_out_ = 0;
};

}  // namespace tierhub::compute
