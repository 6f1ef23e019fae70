#include "compute/run/status.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "compute/executors/text.h"

namespace tierhub::compute {
namespace {

using OrderedJson = nlohmann::ordered_json;

OrderedJson optional_time(const std::optional<Timestamp>& time) {
  return time ? OrderedJson(time_text(*time)) : OrderedJson(nullptr);
}

double rounded(double seconds) {
  return static_cast<double>(static_cast<int64_t>(seconds * 1000 + 0.5)) / 1000;
}

OrderedJson to_json(const TaskRecord& task) {
  OrderedJson json = {
      {"step", task.step},
      {"task", task.index},
      {"state", task.state},
      {"attempts", task.attempts},
      {"slot", task.slot},
      {"start", task.attempts > 0 ? OrderedJson(time_text(task.start)) : OrderedJson(nullptr)},
      {"end", optional_time(task.end)},
      {"exit_code", task.exit_code ? OrderedJson(*task.exit_code) : OrderedJson(nullptr)},
      {"processor_s", rounded(task.processor_s)},
      {"peak_bytes", task.peak_bytes},
      {"waited_for_data_s", rounded(task.waited_for_data_s)}};
  if (!task.node.empty()) json["node"] = task.node;
  if (!task.from_run.empty()) json["from_run"] = task.from_run;
  if (!task.name.empty()) json["name"] = task.name;
  if (!task.reason.empty()) json["reason"] = task.reason;
  return json;
}

void add_measured(std::string& text, const Measured& measured) {
  const std::vector<std::string> lines = measured.lines();
  if (lines.empty()) return;
  text += "\nWhat was measured:\n";
  for (const std::string& line : lines) text += fmt::format("  {}\n", line);
  if (measured.left_out() > 0)
    text += fmt::format("  and {} more, in run.log\n", measured.left_out());
}

// Lines of the report, each with a heading of fixed width.
void add_row(std::string& text, std::string_view heading, std::string_view content) {
  text += fmt::format("{:<10}{}\n", heading, content);
}

std::string what_happened(const RunStatus& status, Timestamp now) {
  const std::string tasks = fmt::format("{} of {} task{}", status.tasks_done, status.tasks_total,
                                        status.tasks_total == 1 ? "" : "s");
  const std::string time = duration_text(status.wall_s(now));
  switch (status.state) {
    case RunState::done:
      if (status.tasks_failed > 0) {
        return fmt::format("Done without what failed: {} in {}; {} failed and {} {} skipped.",
                           tasks, time, status.tasks_failed, status.tasks_skipped,
                           status.tasks_skipped == 1 ? "was" : "were");
      }
      return fmt::format("Everything is done: {} in {}.", tasks, time);
    case RunState::cancelled:
      return fmt::format("The run was cancelled after {}; {} were done.", time, tasks);
    case RunState::failed:
      if (status.tasks_total == 0) return "The run failed before anything was started.";
      return fmt::format("The run failed after {}; {} were done.", time, tasks);
    case RunState::staging:
    case RunState::running:
      return fmt::format("The run continues; {} are done.", tasks);
  }
  return {};
}

std::string what_to_do(const RunStatus& status) {
  switch (status.state) {
    case RunState::done:
      if (status.tasks_failed == 0) return {};
      return fmt::format(
          "Read run.log next to this file, fix the cause, then repeat what failed:\n"
          "    tierctl jobs retry {}",
          status.run);
    case RunState::cancelled:
      return "Drop the workflow again to start over.";
    case RunState::failed:
      if (status.tasks_total == 0)
        return "Fix the problem named above, then drop the workflow again.";
      if (status.tasks_done == 0)
        return "Read run.log next to this file, fix the cause, then drop the workflow again.";
      return fmt::format(
          "Read run.log next to this file, fix the cause, then do what is missing:\n"
          "    tierctl jobs retry {}\n  To start over, drop the workflow again.",
          status.run);
    case RunState::staging:
    case RunState::running:
      return "Wait; status.json next to this file shows the progress.";
  }
  return {};
}

bool has_failures(const RunStatus& status) {
  return status.tasks_failed > 0 &&
         (status.state == RunState::done || status.state == RunState::failed);
}

// "b.tif: exit code 1: cannot read" of each task that failed.
std::vector<std::string> failures(const RunStatus& status) {
  std::vector<std::string> lines;
  for (const auto& [id, task] : status.tasks) {
    if (task.state != "failed") continue;
    const std::string name =
        task.name.empty() ? fmt::format("{} {}", task.step, task.index) : task.name;
    lines.push_back(fmt::format("{}: {}", name, task.reason));
  }
  return lines;
}

// "8 of 9; failed: b.tif: exit code 1: cannot read"
std::string first_line(const RunStatus& status) {
  constexpr size_t kNamed = 3;
  const std::vector<std::string> all = failures(status);
  std::string text = status.how_many_are_fine() + "; failed: ";
  for (size_t i = 0; i < std::min(all.size(), kNamed); ++i) text += (i == 0 ? "" : "; ") + all[i];
  if (all.size() > kNamed) text += fmt::format("; and {} more", all.size() - kNamed);
  return text;
}

void add_failures(std::string& text, const RunStatus& status) {
  text += "\nWhat failed:\n";
  for (const std::string& line : failures(status)) text += fmt::format("  {}\n", line);
  std::string skipped;
  for (const auto& [id, task] : status.tasks) {
    if (task.state == "skipped")
      skipped += fmt::format("  {}: {}\n", task.name.empty() ? task.step : task.name, task.reason);
  }
  if (!skipped.empty()) text += "\nWhat was skipped for that reason:\n" + skipped;
}

void add_costs(std::string& text, const RunStatus& status, Timestamp now) {
  const Costs costs = status.costs(now);
  if (costs.processor_s <= 0 && costs.worker_time.total_s() <= 0) return;
  add_row(text, "Time",
          fmt::format("{} with {} worker{}; wall times of its tasks, added up: {}",
                      duration_text(costs.wall_s), costs.workers, costs.workers == 1 ? "" : "s",
                      duration_text(costs.serial_equivalent_s)));
  add_row(text, "Computed",
          fmt::format("{} of processor time: {:.1f} processors busy on average, {:.0f} % of those "
                      "that its workers stand for",
                      duration_text(costs.processor_s), costs.busy_processors(),
                      100 * costs.efficiency()));
  if (costs.peak_bytes > 0)
    add_row(text, "Memory", fmt::format("{} at most in one task", size_text(costs.peak_bytes)));
  if (const std::string limit = costs.limited_by(); !limit.empty())
    add_row(text, "Limited", "by " + limit);
  if (status.state == RunState::done)
    add_row(text, "Speed-up", speed_up_text(costs, status.baseline));
}

}  // namespace

std::string_view to_text(RunState state) {
  switch (state) {
    case RunState::staging:
      return "staging";
    case RunState::running:
      return "running";
    case RunState::done:
      return "done";
    case RunState::failed:
      return "failed";
    case RunState::cancelled:
      return "cancelled";
  }
  return "failed";
}

std::string RunStatus::how_many_are_fine() const {
  std::set<size_t> lost;
  for (const auto& [id, task] : tasks) {
    if (!task.once && (task.state == "failed" || task.state == "skipped")) lost.insert(id.index);
  }
  if (items_total == 1) return fmt::format("{} of {}", tasks_done, tasks_total);
  return fmt::format("{} of {}", items_total - std::min(items_total, lost.size()), items_total);
}

double TaskRecord::seconds(Timestamp now) const {
  return std::max(0.0, static_cast<double>(end.value_or(now).ns - start.ns) / 1e9);
}

double RunStatus::wall_s(Timestamp now) const {
  return std::max(0.0, static_cast<double>(ended.value_or(now).ns - started.ns) / 1e9);
}

Costs RunStatus::costs(Timestamp now) const {
  Costs costs;
  costs.wall_s = wall_s(now);
  costs.workers = workers;
  costs.processors = processors;
  costs.worker_time = worker_time;
  for (const auto& [id, task] : tasks) {
    if (!task.from_run.empty()) continue;  // it cost another run
    if (task.state == "done") costs.serial_equivalent_s += task.seconds(task.start);
    costs.processor_s += task.processor_s;
    costs.peak_bytes = std::max(costs.peak_bytes, task.peak_bytes);
  }
  return costs;
}

std::optional<double> RunStatus::eta_s(Timestamp now) const {
  if (ended) return 0.0;
  const size_t settled = tasks_done + tasks_failed + tasks_skipped;
  if (settled == 0 || started.ns == 0) return std::nullopt;
  return wall_s(now) / static_cast<double>(settled) * static_cast<double>(tasks_total - settled);
}

std::string to_json(const RunStatus& status, Timestamp now, TaskList tasks) {
  const double total = static_cast<double>(std::max<size_t>(status.tasks_total, 1));
  const size_t settled = status.tasks_done + status.tasks_failed + status.tasks_skipped;
  const Costs costs = status.costs(now);
  const WorkerTime& time = costs.worker_time;
  const std::optional<double> faster =
      status.state == RunState::done ? speed_up(costs, status.baseline) : std::nullopt;
  const std::optional<double> eta_s = status.eta_s(now);
  OrderedJson parameters = OrderedJson::object();
  for (const auto& [name, value] : status.parameters)
    parameters[name] = value.size() == 1 ? OrderedJson(value.front()) : OrderedJson(value);
  OrderedJson json = {
      {"run", status.run},
      {"workflow", status.workflow},
      {"parameters", parameters},
      {"user", status.user},
      {"retry_of", status.retry_of},
      {"state", to_text(status.state)},
      {"progress", rounded(static_cast<double>(settled) / total)},
      {"tasks_total", status.tasks_total},
      {"tasks_done", status.tasks_done},
      {"tasks_failed", status.tasks_failed},
      {"tasks_skipped", status.tasks_skipped},
      {"tasks_running", status.tasks_running},
      {"bytes_staged", status.bytes_staged},
      {"bytes_copied", status.bytes_copied},
      {"eta_s", eta_s ? OrderedJson(rounded(*eta_s)) : OrderedJson(nullptr)},
      {"started", time_text(status.started)},
      {"updated", time_text(now)},
      {"ended", optional_time(status.ended)},
      {"workers", status.workers},
      {"processors", status.processors},
      {"wall_s", rounded(costs.wall_s)},
      {"processor_s", rounded(costs.processor_s)},
      {"serial_equivalent_s", rounded(costs.serial_equivalent_s)},
      {"busy_processors", rounded(costs.busy_processors())},
      {"efficiency", rounded(costs.efficiency())},
      {"speed_up", faster ? OrderedJson(rounded(*faster)) : OrderedJson(nullptr)},
      {"speed_up_against", status.baseline.run},
      {"limited_by", costs.limited_by()},
      {"worker_s",
       {{"busy_s", rounded(time.busy_s)},
        {"waited_for_data_s", rounded(time.data_s)},
        {"waited_for_slots_s", rounded(time.slots_s)},
        {"waited_for_tasks_s", rounded(time.tasks_s)},
        {"starting_s", rounded(time.start_s)}}},
      {"peak_bytes", costs.peak_bytes},
      {"output", status.output},
      {"work", status.work},
      {"left_out", status.left_out},
      {"not_obeyed", status.not_obeyed},
      {"waits_for", status.waits_for},
      {"error", status.error},
  };
  json["nodes"] = OrderedJson::array();
  for (const NodeState& node : status.nodes) {
    json["nodes"].push_back({{"node", node.name},
                             {"used", node.fault.empty()},
                             {"fault", node.fault},
                             {"read_bytes_per_s", static_cast<uint64_t>(node.read_rate)}});
  }
  json["steps"] = OrderedJson::array();
  for (const StepCount& step : status.steps) {
    json["steps"].push_back({{"step", step.id},
                             {"total", step.total},
                             {"done", step.done},
                             {"running", step.running},
                             {"failed", step.failed},
                             {"skipped", step.skipped}});
  }
  if (tasks == TaskList::with) {
    OrderedJson list = OrderedJson::array();
    for (const auto& [id, task] : status.tasks) list.push_back(to_json(task));
    json["tasks"] = std::move(list);
  }
  return json.dump(tasks == TaskList::with ? 1 : -1, ' ', false,
                   OrderedJson::error_handler_t::replace) +
         "\n";
}

std::string to_report(const RunStatus& status, Timestamp now) {
  std::string text;
  const std::string name = status.workflow.empty() ? status.run : status.workflow;
  const bool is_done = status.state == RunState::done;
  if (has_failures(status) && is_done) text += first_line(status) + "\n\n";
  text += fmt::format("{}: {}\n\n{}\n", name, to_text(status.state), what_happened(status, now));
  if (!status.error.empty()) text += fmt::format("\nReason:\n  {}\n", status.error);
  // The reason of a run that stopped at its first failure says it all.
  if (has_failures(status) && (is_done || status.tasks_failed > 1)) add_failures(text, status);
  if (!status.last_lines.empty()) {
    text += "\nThe last lines that the failed task wrote:\n";
    for (const std::string& line : status.last_lines) text += fmt::format("  | {}\n", line);
  }
  if (const std::string next = what_to_do(status); !next.empty()) {
    text += fmt::format("\nWhat to do:\n  {}\n", next);
  }
  add_measured(text, status.measured);
  text += '\n';
  if (status.state == RunState::done) {
    add_row(text, "Results", status.output);
    if (!status.output_on_share.empty()) add_row(text, "", status.output_on_share);
  }
  if (status.state != RunState::done && !status.partial_output.empty()) {
    add_row(text, "Output",
            fmt::format("what was written so far is in {} (delete it when you no longer need it)",
                        status.partial_output));
  }
  if (!status.work.empty()) {
    add_row(text, "Work",
            fmt::format("{} on {} is kept for 'tierctl jobs retry' (delete it when you no longer "
                        "need it)",
                        status.work, status.host));
  }
  add_row(text, "Run", status.run);
  if (!status.retry_of.empty()) {
    const auto taken = std::count_if(status.tasks.begin(), status.tasks.end(),
                                     [](const auto& one) { return !one.second.from_run.empty(); });
    add_row(text, "Repeats",
            fmt::format("{}, of which {} task{} taken up", status.retry_of, taken,
                        taken == 1 ? " was" : "s were"));
  }
  if (!status.user.empty()) add_row(text, "User", status.user);
  add_row(text, "Started", time_text(status.started));
  if (status.ended) add_row(text, "Ended", time_text(*status.ended));
  add_costs(text, status, now);
  if (status.bytes_staged > 0) {
    add_row(text, "Staged",
            fmt::format("{} on the fast tier, {} of it copied from the archive",
                        size_text(status.bytes_staged), size_text(status.bytes_copied)));
  }
  for (const std::string& what : status.left_out) add_row(text, "Left out", what);
  for (const std::string& key : status.not_obeyed) add_row(text, "Not done", key);
  return text;
}

}  // namespace tierhub::compute
