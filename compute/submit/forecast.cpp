#include "compute/submit/forecast.h"

#include <algorithm>
#include <array>

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "api/service.h"
#include "common/posix.h"
#include "common/spawn.h"
#include "compute/executors/process.h"
#include "compute/executors/text.h"
#include "compute/run/machine_memory.h"
#include "compute/run/status.h"
#include "compute/submit/check.h"

namespace tierhub::compute {
namespace {

using OrderedJson = nlohmann::ordered_json;
using std::chrono::milliseconds;

constexpr std::chrono::seconds kTimeForInputs{10};
constexpr std::chrono::seconds kTimeForEstimates{15};
constexpr std::chrono::seconds kTimeForAnEstimate{5};
constexpr size_t kMostOutput = 64 << 10;

struct Said {
  std::string text;
  bool ended_well = false;
};

// What imgop says of a task, or why that is not known.
struct Estimated {
  OrderedJson json = OrderedJson::object();
  std::string note;
};

// Operators that keep a part of their input at a time, whatever its size: docs/OPERATORS.md.
constexpr std::array<std::string_view, 5> kInParts = {"convert", "pyramid", "range", "relate",
                                                      "merge-labels"};

// What a program writes, if it ends in time.
std::optional<Said> output_of(const ProcessSpec& spec) {
  Result<StartedProcess> started = start_process(spec);
  if (!started) return std::nullopt;
  const SteadyClock::time_point deadline = SteadyClock::now() + kTimeForAnEstimate;
  std::string text;
  bool ended = false;
  while (!ended && text.size() < kMostOutput) {
    const auto left =
        std::chrono::duration_cast<milliseconds>(deadline - SteadyClock::now()).count();
    pollfd waited = {started->output.get(), POLLIN, 0};
    if (left <= 0 || ::poll(&waited, 1, static_cast<int>(left)) <= 0) break;
    char buffer[4096];
    const ssize_t n = ::read(started->output.get(), buffer, sizeof buffer);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    ended = n <= 0;
    if (!ended) text.append(buffer, static_cast<size_t>(n));
  }
  if (!ended) signal_group(started->pid, SIGKILL);
  const int status = wait_for_end(started->pid);
  if (!ended) return std::nullopt;
  return Said{std::move(text), WIFEXITED(status) && WEXITSTATUS(status) == 0};
}

// Whether its program is TierHub's own, with a command whose --estimate runs nothing: a workflow is
// planned before anybody has decided to run it, also one of somebody else's.
bool has_estimate(const Step& step) {
  if (step.run.size() < 2 || step.run.front().text.source() != "imgop") return false;
  if (step.run[1].text.source().starts_with('-')) return false;
  return std::none_of(step.run.begin(), step.run.end(), [](const Argument& argument) {
    return argument.text.source().starts_with("--estimate");
  });
}

class Forecaster {
 public:
  Forecaster(const RunPlan& plan, TierClient* tier) : plan_(plan), tier_(tier) {}

  Result<Forecast> make() {
    forecast_.workflow = plan_.workflow().name;
    forecast_.items = plan_.inputs().size();
    forecast_.output = plan_.output().place();
    forecast_.left_out = plan_.inputs().left_out();
    for (size_t step = 0; step < plan_.workflow().steps.size(); ++step) add_step(step);
    TRY(add_bytes());
    TRY(add_room());
    for (const std::string& key : plan_.not_obeyed()) forecast_.warnings.push_back(key);
    return std::move(forecast_);
  }

 private:
  void add_step(size_t index) {
    const Step& step = plan_.workflow().steps[index];
    StepForecast made;
    made.id = step.id;
    made.program = program_text(step);
    made.tasks = step.runs_once() ? 1 : plan_.inputs().size();
    made.cpus = plan_.slots_for(step);
    const Estimated estimate = estimate_of({index, 0});
    const auto bytes = estimate.json.find("memory_bytes");
    const bool is_guess = estimate.json.contains("assumes");
    const bool is_known = bytes != estimate.json.end();
    if (is_known && !(is_guess && step.resources.memory_bytes)) {
      made.memory_bytes = bytes->get<uint64_t>();
      made.memory_from = is_guess ? "guess" : "estimate";
      if (is_guess) made.memory_note = "a guess before " + steps_before(step);
    } else if (step.resources.memory_bytes) {
      made.memory_bytes = step.resources.memory_bytes;
      made.memory_from = "workflow";
    } else {
      made.memory_note = estimate.note;
    }
    warn_of_memory(step, made);
    warn_of_halo(step, estimate.json);
    forecast_.tasks += made.tasks;
    forecast_.steps.push_back(std::move(made));
  }

  // Of its first task: the others are not larger, except that files may differ.
  Estimated estimate_of(TaskId task) {
    const Step& step = plan_.workflow().steps[task.step];
    if (!has_estimate(step)) return unknown("not known: its program does not say");
    const std::string_view command = step.run[1].text.source();
    if (std::find(kInParts.begin(), kInParts.end(), command) != kInParts.end())
      return unknown("about 1 GiB at most, besides what it keeps of objects");
    if (SteadyClock::now() > deadline_) return without_time(step);
    Result<ProcessSpec> spec = plan_.process_for(task);
    if (!spec) return unknown("not known: " + spec.error().text());
    // None of what the workflow says but arguments: no variables, no other program. --estimate comes
    // right behind the command, where no option can take it for its value.
    const Result<std::string> program = find_program("imgop", plan_.programs_folder(), "/");
    if (!program) return unknown("not known: " + program.error().text());
    spec->program = *program;
    spec->arguments.insert(spec->arguments.begin() + 2, "--estimate");
    spec->environment = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8",
                         fmt::format("TIERHUB_CPUS={}", plan_.slots_for(step))};
    spec->cwd = "/";
    const std::optional<Said> said = output_of(*spec);
    if (!said) return without_time(step);
    OrderedJson json = OrderedJson::parse(said->text, nullptr, false);
    const bool is_known = json.is_object() && json.contains("memory_bytes") &&
                          json["memory_bytes"].is_number_unsigned();
    if (said->ended_well && is_known) return {std::move(json), ""};
    return without_estimate(step, said->text);
  }

  static Estimated unknown(std::string note) { return {OrderedJson::object(), std::move(note)}; }

  Estimated without_time(const Step& step) {
    forecast_.warnings.push_back(
        fmt::format("there was no time to ask what memory '{}' needs", step.id));
    return unknown("not known: there was no time to ask");
  }

  // What is wrong now will be wrong then, unless it is about files that do not exist yet.
  Estimated without_estimate(const Step& step, const std::string& text) {
    constexpr std::string_view kProgram = "imgop: ";
    const std::string line = text.substr(0, text.find('\n'));
    if (line.find("--estimate") != std::string::npos)
      return unknown(fmt::format("not known: {} has no estimate", program_text(step)));
    if (line.find(plan_.work()) != std::string::npos ||
        line.find(plan_.output().hidden()) != std::string::npos)
      return unknown("not known before " + steps_before(step));
    if (line.starts_with(kProgram)) {
      forecast_.warnings.push_back(
          fmt::format("'{}' would fail: {}", step.id, line.substr(kProgram.size())));
    }
    return unknown("not known: its estimate failed");
  }

  // "'segment' and 'merge' have run"
  std::string steps_before(const Step& step) const {
    std::vector<size_t> all = step.after;
    all.insert(all.end(), step.gather.begin(), step.gather.end());
    std::string names;
    for (size_t i = 0; i < all.size(); ++i) {
      if (i > 0) names += i + 1 < all.size() ? ", " : " and ";
      names += "'" + plan_.workflow().steps[all[i]].id + "'";
    }
    if (names.empty()) return "it runs";
    return names + (all.size() > 1 ? " have run" : " has run");
  }

  void warn_of_halo(const Step& step, const OrderedJson& estimate) {
    const auto needed = estimate.find("halo_voxels");
    if (needed == estimate.end() || !needed->is_object() || !step.mentions(Placeholder::halo))
      return;
    const formats::Halo& given = plan_.workflow().scatter.halo;
    const formats::Halo wanted{needed->value("z", uint64_t{0}), needed->value("y", uint64_t{0}),
                               needed->value("x", uint64_t{0})};
    if (wanted.z <= given.z && wanted.y <= given.y && wanted.x <= given.x) return;
    forecast_.warnings.push_back(
        fmt::format("'{}' needs a halo of {}, and has {}: it would be refused", step.id,
                    formats::to_text(wanted), formats::to_text(given)));
  }

  void warn_of_memory(const Step& step, const StepForecast& made) {
    if (made.memory_from != "estimate") return;
    const std::optional<uint64_t>& allowed = step.resources.memory_bytes;
    const MachineMemory machine = machine_memory();
    if (allowed && *made.memory_bytes > *allowed) {
      forecast_.warnings.push_back(
          fmt::format("a task of '{}' needs about {}, and may use {}: it would be stopped", step.id,
                      size_text(*made.memory_bytes), step.resources.memory_text));
    } else if (*made.memory_bytes > machine.bytes) {
      forecast_.warnings.push_back(fmt::format("a task of '{}' needs about {}, and there are {}",
                                               step.id, size_text(*made.memory_bytes),
                                               size_text(machine.bytes)));
    }
  }

  Result<void> add_bytes() {
    const SteadyClock::time_point deadline = SteadyClock::now() + kTimeForInputs;
    TRY_ASSIGN(const RunInputs::AllInputs all, plan_.inputs().input_of_all(deadline));
    if (all.items < plan_.inputs().size()) {
      forecast_.warnings.push_back(
          fmt::format("the bytes are those of the first {} of {} inputs: there was no time for all",
                      all.items, plan_.inputs().size()));
    }
    forecast_.bytes = all.bytes.total();
    if (tier_ == nullptr) return {};
    api::ResidencyRequest request;
    for (const TaskInput& input : all.inputs) {
      for (const TaskInput::File& file : input.files) {
        request.files.push_back({file.path, file.ranges});
        if (request.files.size() == api::Service::kMaxResidencyFiles) TRY(add_resident(request));
      }
      for (const std::string& folder : input.folders) TRY(add_folder(folder));
    }
    return add_resident(request);
  }

  // Empties the request.
  Result<void> add_resident(api::ResidencyRequest& request) {
    while (!request.files.empty()) {
      TRY_ASSIGN(const api::ResidencyList list, tier_->residencies(request));
      for (const api::FileResidency& file : list.files) forecast_.resident_bytes += file.resident;
      if (!list.more || list.files.empty()) break;
      request.files.erase(request.files.begin(),
                          request.files.begin() + static_cast<ptrdiff_t>(list.files.size()));
    }
    request.files.clear();
    return {};
  }

  Result<void> add_folder(const std::string& folder) {
    TRY_ASSIGN(const api::Entry sum, tier_->totals(folder));
    forecast_.bytes += sum.size;
    forecast_.resident_bytes += sum.resident;
    if (sum.state.empty())
      forecast_.warnings.push_back(fmt::format("not all of {} was counted", folder));
    return {};
  }

  Result<void> add_room() {
    if (tier_ == nullptr) return {};
    TRY_ASSIGN(const api::Status status, tier_->status());
    forecast_.capacity_bytes = status.capacity_bytes;
    forecast_.free_bytes =
        status.capacity_bytes - std::min(status.capacity_bytes, status.used_bytes);
    if (forecast_.bytes > status.capacity_bytes) {
      forecast_.warnings.push_back(
          fmt::format("the input ({}) is larger than the SSD ({}): it is brought in parts, and a "
                      "second look at it would bring it again",
                      size_text(forecast_.bytes), size_text(status.capacity_bytes)));
    }
    return {};
  }

  const RunPlan& plan_;
  TierClient* tier_;
  const SteadyClock::time_point deadline_ = SteadyClock::now() + kTimeForEstimates;
  Forecast forecast_;
};

OrderedJson optional_number(const std::optional<uint64_t>& number) {
  return number ? OrderedJson(*number) : OrderedJson(nullptr);
}

}  // namespace

Result<Forecast> make_forecast(const RunPlan& plan, TierClient* tier) {
  return Forecaster(plan, tier).make();
}

OrderedJson to_json(const Forecast& forecast) {
  OrderedJson steps = OrderedJson::array();
  for (const StepForecast& step : forecast.steps) {
    steps.push_back({{"id", step.id},
                     {"program", step.program},
                     {"tasks", step.tasks},
                     {"cpus", step.cpus},
                     {"memory_bytes", optional_number(step.memory_bytes)},
                     {"memory_from", step.memory_from},
                     {"memory_note", step.memory_note}});
  }
  return {{"workflow", forecast.workflow},
          {"items", forecast.items},
          {"tasks", forecast.tasks},
          {"steps", std::move(steps)},
          {"bytes", forecast.bytes},
          {"resident_bytes", forecast.resident_bytes},
          {"bytes_to_bring", forecast.bytes_to_bring()},
          {"capacity_bytes", optional_number(forecast.capacity_bytes)},
          {"free_bytes", optional_number(forecast.free_bytes)},
          {"output", forecast.output},
          {"left_out", forecast.left_out},
          {"warnings", forecast.warnings}};
}

std::string to_text(const Forecast& forecast) {
  std::string text = fmt::format("{}: {} tasks on {} {}\n", forecast.workflow, forecast.tasks,
                                 forecast.items, forecast.items == 1 ? "input" : "inputs");
  for (const StepForecast& step : forecast.steps) {
    std::string memory = "memory " + step.memory_note;
    if (step.memory_bytes) {
      memory = size_text(*step.memory_bytes) + " of memory";
      if (step.memory_from == "workflow") memory += " at most";
      if (step.memory_from == "guess") memory += ", " + step.memory_note;
    }
    text += fmt::format("  {:<20} {:>8} x {:<24} {}\n", step.id, step.tasks, step.program, memory);
  }
  if (forecast.capacity_bytes) {
    text += fmt::format("input      {}, of which {} must be brought from the archive\n",
                        size_text(forecast.bytes), size_text(forecast.bytes_to_bring()));
    text += fmt::format("SSD        {} free of {}\n", size_text(*forecast.free_bytes),
                        size_text(*forecast.capacity_bytes));
  }
  text += fmt::format("results    {}\n", forecast.output);
  for (const std::string& line : forecast.left_out) text += fmt::format("left out   {}\n", line);
  for (const std::string& line : forecast.warnings) text += fmt::format("warning    {}\n", line);
  return text;
}

}  // namespace tierhub::compute
