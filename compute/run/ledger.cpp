#include "compute/run/ledger.h"

#include <algorithm>

#include <fmt/format.h>
#include <sched.h>

#include "compute/executors/text.h"
#include "compute/run/status.h"

namespace tierhub::compute {
namespace {

// From here on the machine as a whole was the limit, whatever its workers did.
constexpr double kSaturated = 0.85;
// Tasks that keep their processors so busy compute.
constexpr double kComputes = 0.7;
// A share of the workers' time that explains why a run was not faster.
constexpr double kMuch = 0.25;

int percent(double share) { return static_cast<int>(share * 100 + 0.5); }

std::string workers_text(unsigned workers) {
  return workers == 1 ? "its worker" : fmt::format("its {} workers", workers);
}

}  // namespace

void WorkerClock::set(SteadyClock::time_point now, const Moment& moment) {
  if (since_) {
    const double passed_s = std::chrono::duration<double>(now - *since_).count();
    const unsigned held = std::min(moment_.held, moment_.workers);
    const double idle_s = passed_s * (moment_.workers - held);
    time_.busy_s += passed_s * held;
    (moment_.kept_waiting ? time_.slots_s
     : moment_.startable  ? time_.start_s
     : moment_.fetching   ? time_.data_s
                          : time_.tasks_s) += idle_s;
  }
  since_ = now;
  moment_ = moment;
}

double Costs::busy_processors() const { return wall_s > 0 ? processor_s / wall_s : 0; }

double Costs::efficiency() const {
  return busy_processors() / std::max(1u, std::min(workers, processors));
}

std::string Costs::limited_by() const {
  const double total_s = worker_time.total_s();
  if (total_s <= 0 || worker_time.busy_s <= 0) return "";
  const double busy = busy_processors();
  const std::string processors_text = fmt::format("{:.1f} of {} processor{} busy on average", busy,
                                                  processors, processors == 1 ? " was" : "s were");
  if (busy >= kSaturated * processors) return "processors: " + processors_text;
  const double data = worker_time.data_s / total_s;
  const double slots = worker_time.slots_s / total_s;
  const double tasks = worker_time.tasks_s / total_s;
  const double start = worker_time.start_s / total_s;
  const double most = std::max({data, slots, tasks, start});
  const auto share = [&](double part) {
    return fmt::format("for {} % of the time of {}", percent(part), workers_text(workers));
  };
  if (most >= kMuch && most == data) {
    return fmt::format("archive: {}, tasks waited until their data was on the fast tier",
                       share(data));
  }
  if (most >= kMuch && most == slots) {
    return fmt::format(
        "slots: {}, tasks waited for slots that other runs, or smaller tasks of this one, had",
        share(slots));
  }
  if (most >= kMuch && most == start) {
    return fmt::format("starting: {}, tasks were being started: each takes very little time",
                       share(start));
  }
  if (most >= kMuch) return fmt::format("tasks: {}, there was no task to start", share(tasks));
  if (efficiency() >= kComputes) return "processors: " + processors_text;
  return fmt::format(
      "waiting: tasks had {} for {} % of the time, but only {}: they waited themselves, for "
      "reading "
      "and writing, the network or a pause",
      workers_text(workers), percent(worker_time.busy_s / total_s), processors_text);
}

std::optional<double> speed_up(const Costs& costs, const Baseline& baseline) {
  if (baseline.run.empty() || costs.wall_s <= 0) return std::nullopt;
  return baseline.wall_s / costs.wall_s;
}

std::string speed_up_text(const Costs& costs, const Baseline& baseline) {
  const std::optional<double> times = speed_up(costs, baseline);
  if (!times) return "not known: " + baseline.why_none;
  return fmt::format("{:.2f} times as fast as {} with one worker, which took {}; this run took {}",
                     *times, baseline.run, duration_text(baseline.wall_s),
                     duration_text(costs.wall_s));
}

unsigned usable_processors() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<unsigned>(std::max(CPU_COUNT(&set), 1));
}

}  // namespace tierhub::compute
