// The progress of a run as lines of text, from what its status.json says. Pure.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/clock.h"

namespace tierhub::tierctl {

// How fast tasks end and input arrives, over the last half minute.
class RunRate {
 public:
  void add(SteadyClock::time_point now, double tasks, double bytes);
  // Nothing until enough time has passed.
  std::optional<double> tasks_per_s() const;
  std::optional<double> bytes_per_s() const;

 private:
  struct Look {
    SteadyClock::time_point at;
    double tasks = 0;
    double bytes = 0;
  };
  std::optional<double> rate_of(double Look::*what) const;

  std::deque<Look> looks_;
};

// One line: "running: 12 of 40 tasks, 2 running, 1 failed, 3.1 tasks/min, 40 s left; waits for ...".
// `status` was written by a user's process.
std::string progress_line(const nlohmann::json& status, const RunRate& rate);
// A line with a bar for each step; those of a run with very many steps that are under way.
std::vector<std::string> step_lines(const nlohmann::json& status, size_t width);

}  // namespace tierhub::tierctl
