// What the parts of a runner share: the run's log, record and status, and why it stops.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/clock.h"
#include "common/guarded.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "compute/executors/log.h"
#include "compute/run/plan.h"
#include "compute/run/record.h"
#include "compute/run/slots.h"
#include "compute/run/status.h"
#include "compute/staging/stager.h"
#include "compute/workflow/schedule.h"

namespace tierhub::compute {

enum class Stop { none, failed, cancelled, interrupted };

// Belongs to the runner's thread, but for what says otherwise.
class RunContext {
 public:
  explicit RunContext(RunnerOptions given) : options(std::move(given)) {}

  // Takes over the run's folder; nothing of the run is judged yet. Blocks SIGCHLD, SIGTERM, SIGINT.
  Result<void> open();
  std::string file(const char* name) const { return options.run_folder + "/" + name; }

  // Any thread.
  Stop why_stop() const { return stop_; }
  // The first reason counts.
  void stop(Stop why);
  void fail(std::string error);
  // Looks for a file named CANCEL (ten times a second at most) and for signals.
  void look_for_stop();
  int signal_fd() const { return signals_.get(); }

  void status_changed() { changed_ = true; }
  void note_skipped(const Schedule::Skipped& skipped);
  // Writes status.json and reports to tierd.
  void write_status();
  void write_status_if_due();

  const RunnerOptions options;
  std::optional<SlotClient> slots;
  std::optional<RunLog> log;
  std::optional<RunRecord> record;
  std::unique_ptr<RunPlan> plan;
  std::optional<Schedule> schedule;
  RunStatus status;
  // Of the dataset's metadata; any thread.
  std::atomic<uint64_t> metadata_copied_bytes = 0;
  Guarded<std::string> metadata_wait;  // what it waits for, or empty; any thread
  std::string executor_waits_for;      // as Executor::waits_for()
  std::unique_ptr<Stager> stager;      // none without tierd

 private:
  Result<void> lock();
  void update_counts();

  UniqueFd signals_;
  UniqueFd lock_;
  std::atomic<Stop> stop_ = Stop::none;
  bool changed_ = true;
  SteadyClock::time_point written_{};
  SteadyClock::time_point next_look_{};
};

}  // namespace tierhub::compute
