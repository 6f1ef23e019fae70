// What a run cost, how busy it kept the processors, and what limited it. docs/WORKFLOWS.md defines
// the numbers ("What a run cost"). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/clock.h"

namespace tierhub::compute {

// Where the time of the workers that a run could have used went, in seconds times workers.
struct WorkerTime {
  double busy_s = 0;   // a task of this run had them
  double data_s = 0;   // idle, while what could start next was being fetched
  double slots_s = 0;  // a task could have started, but its slots were taken
  double start_s = 0;  // between tasks: slots are asked for, processes started
  double tasks_s = 0;  // there was nothing to start
  double total_s() const { return busy_s + data_s + slots_s + start_s + tasks_s; }
};

// Adds up the WorkerTime of a run that goes on. One thread.
class WorkerClock {
 public:
  struct Moment {
    unsigned workers = 1;       // that the run can have at most
    unsigned held = 0;          // slots of tasks that run
    bool startable = false;     // a task waits for nothing but slots
    bool kept_waiting = false;  // for them, and longer than it takes to get them
    bool fetching = false;      // a task waits for its data
  };
  // How things are from `now` on. Nothing counts before the first call.
  void set(SteadyClock::time_point now, const Moment& moment);
  const WorkerTime& time() const { return time_; }

 private:
  WorkerTime time_;
  Moment moment_;
  std::optional<SteadyClock::time_point> since_;
};

// An earlier run of the same work (workflow text, values, input) that had one worker and ran
// undisturbed, or why there is none to compare with.
struct Baseline {
  std::string run;  // empty: none
  double wall_s = 0;
  std::string why_none;  // one sentence
};

struct Costs {
  double wall_s = 0;
  double processor_s = 0;          // of all tries of all tasks
  double serial_equivalent_s = 0;  // wall times of the tasks that are done, added up
  uint64_t peak_bytes = 0;         // of the task that used most
  unsigned workers = 1;
  unsigned processors = 1;  // that this machine gives the run
  WorkerTime worker_time;

  // How many processors its tasks kept busy on average: processor_s / wall_s.
  double busy_processors() const;
  // busy_processors() over those that its workers stand for, which are not more than the machine
  // has. Above 1: tasks used more than the slots that they asked for.
  double efficiency() const;
  // "processors: ...", "archive: ...", "slots: ...", "tasks: ...", "starting: ...", "waiting: ..."
  // with the figures.
  // Empty if nothing was computed yet.
  std::string limited_by() const;
};

// Above 1 is faster than with one worker. Nothing without a baseline.
std::optional<double> speed_up(const Costs& costs, const Baseline& baseline);
// The same as a sentence without a full stop.
std::string speed_up_text(const Costs& costs, const Baseline& baseline);

// Processors that this process may use.
unsigned usable_processors();

}  // namespace tierhub::compute
