#include "tools/tierctl/run_progress.h"

#include <algorithm>

#include <fmt/format.h>

#include "tools/tierctl/human.h"
#include "tools/tierctl/waiting.h"

namespace tierhub::tierctl {
namespace {

using StatusJson = nlohmann::json;

constexpr std::chrono::seconds kWindow{30};
constexpr std::chrono::seconds kLeast{2};
constexpr size_t kMostSteps = 20;
constexpr size_t kNameWidth = 20;
constexpr size_t kBarWidth = 32;

uint64_t count_in(const StatusJson& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return 0;
  return static_cast<uint64_t>(std::clamp(found->get<double>(), 0.0, 1e18));
}

std::string text_in(const StatusJson& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? printable(found->get<std::string>()) : "";
}

struct StepProgress {
  std::string id;
  uint64_t total = 0, done = 0, running = 0, failed = 0, skipped = 0;

  uint64_t settled() const { return done + failed + skipped; }
};

std::vector<StepProgress> steps_of(const StatusJson& status) {
  std::vector<StepProgress> steps;
  const auto list = status.find("steps");
  if (list == status.end() || !list->is_array()) return steps;
  for (const StatusJson& one : *list) {
    if (!one.is_object()) continue;
    steps.push_back({text_in(one, "step"), count_in(one, "total"), count_in(one, "done"),
                     count_in(one, "running"), count_in(one, "failed"), count_in(one, "skipped")});
  }
  return steps;
}

// "node3 is not used: its /tmp has ..." of the nodes of a cluster, a few at most.
std::vector<std::string> faults_of_nodes(const StatusJson& status) {
  constexpr size_t kMostFaults = 4;
  std::vector<std::string> faults;
  const auto nodes = status.find("nodes");
  if (nodes == status.end() || !nodes->is_array()) return faults;
  for (const StatusJson& node : *nodes) {
    if (!node.is_object() || faults.size() == kMostFaults) continue;
    const std::string fault = text_in(node, "fault");
    if (!fault.empty()) faults.push_back(text_in(node, "node") + " is not used: " + fault);
  }
  return faults;
}

std::string rate_text(double tasks_per_s) {
  if (tasks_per_s >= 1) return fmt::format("{:.1f} tasks/s", tasks_per_s);
  return fmt::format("{:.1f} tasks/min", tasks_per_s * 60);
}

}  // namespace

void RunRate::add(SteadyClock::time_point now, double tasks, double bytes) {
  looks_.push_back({now, tasks, bytes});
  while (looks_.size() > 2 && now - looks_.front().at > kWindow) looks_.pop_front();
}

std::optional<double> RunRate::rate_of(double Look::*what) const {
  if (looks_.size() < 2) return std::nullopt;
  const Look& first = looks_.front();
  const Look& last = looks_.back();
  if (last.at - first.at < kLeast) return std::nullopt;
  return std::max(0.0, last.*what - first.*what) /
         std::chrono::duration<double>(last.at - first.at).count();
}

std::optional<double> RunRate::tasks_per_s() const { return rate_of(&Look::tasks); }
std::optional<double> RunRate::bytes_per_s() const { return rate_of(&Look::bytes); }

std::string progress_line(const StatusJson& status, const RunRate& rate) {
  const std::string state = text_in(status, "state");
  std::string line =
      fmt::format("{}: {} of {}", state, human_number(count_in(status, "tasks_done")),
                  human_count(count_in(status, "tasks_total"), "task"));
  for (const char* what : {"running", "failed", "skipped"}) {
    const uint64_t count = count_in(status, fmt::format("tasks_{}", what).c_str());
    if (count > 0) line += fmt::format(", {} {}", human_number(count), what);
  }
  if (state != "staging" && state != "running") return line;
  if (const auto tasks = rate.tasks_per_s(); tasks && *tasks > 0) line += ", " + rate_text(*tasks);
  if (const auto bytes = rate.bytes_per_s(); bytes && *bytes > 0)
    line += ", " + human_rate(*bytes) + " fetched";
  const auto eta = status.find("eta_s");
  if (eta != status.end() && eta->is_number())
    line += ", " + human_duration(eta->get<double>()) + " left";
  if (const std::string waits = text_in(status, "waits_for"); !waits.empty())
    line += "; waits: " + waits;
  for (const std::string& fault : faults_of_nodes(status)) line += "; " + fault;
  return line;
}

std::vector<std::string> step_lines(const StatusJson& status, size_t width) {
  std::vector<StepProgress> steps = steps_of(status);
  size_t left_out = 0;
  if (steps.size() > kMostSteps) {
    const size_t before = steps.size();
    std::erase_if(steps, [](const StepProgress& step) {
      return step.settled() == 0 || step.settled() == step.total;
    });
    if (steps.size() > kMostSteps) steps.resize(kMostSteps);
    left_out = before - steps.size();
  }
  size_t names = 0;
  for (const StepProgress& step : steps) names = std::max(names, step.id.size());
  names = std::min(names, kNameWidth);
  std::vector<std::string> lines;
  for (const StepProgress& step : steps) {
    const double part =
        step.total > 0 ? static_cast<double>(step.settled()) / static_cast<double>(step.total) : 0;
    std::string line = fmt::format("  {:<{}} {} {}/{}", step.id.substr(0, names), names,
                                   bar(part, kBarWidth), step.done, step.total);
    if (step.running > 0) line += fmt::format(", {} running", step.running);
    if (step.failed > 0) line += fmt::format(", {} failed", step.failed);
    if (step.skipped > 0) line += fmt::format(", {} skipped", step.skipped);
    lines.push_back(line.substr(0, width));
  }
  if (left_out > 0) lines.push_back(fmt::format("  and {} more steps", left_out));
  return lines;
}

}  // namespace tierhub::tierctl
