#include "compute/executors/slurm_commands.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include <fmt/format.h>

#include "common/hash.h"

namespace tierhub::compute {
namespace {

constexpr uint64_t kMiB = 1 << 20;

// Slurm counts memory in MiB.
std::string megabytes(uint64_t bytes) { return fmt::format("{}M", (bytes + kMiB - 1) / kMiB); }

void add_option(CommandLineWords& words, std::string_view option, const std::string& value) {
  if (!value.empty()) words.push_back(fmt::format("--{}={}", option, value));
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::optional<int64_t> whole_number(std::string_view text) {
  int64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

}  // namespace

std::string slurm_job_name(std::string_view run, std::string_view run_folder) {
  std::string name = "tierhub-";
  for (const char c : run) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '_' || c == '-';
    name += plain ? c : '-';
  }
  const std::string hash = checksum(std::as_bytes(std::span(run_folder))).hex();
  return name + "-" + hash.substr(0, 8);
}

// --no-requeue: a job that Slurm starts again would hold a node that nobody knows of.
CommandLineWords sbatch_words(const SlurmSettings& settings, const std::string& job_name,
                              unsigned nodes, const std::vector<std::string>& excluded_nodes) {
  CommandLineWords words = {"sbatch",
                            "--parsable",
                            fmt::format("--array=1-{}", nodes),
                            "--no-requeue",
                            "--job-name=" + job_name,
                            "--nodes=1",
                            fmt::format("--ntasks={}", settings.processors),
                            fmt::format("--time={}", settings.time.count()),
                            "--chdir=/",
                            "--output=/dev/null",
                            "--error=/dev/null"};
  if (settings.memory_bytes) words.push_back("--mem=" + megabytes(*settings.memory_bytes));
  add_option(words, "account", settings.account);
  add_option(words, "partition", settings.partition);
  add_option(words, "qos", settings.qos);
  add_option(words, "reservation", settings.reservation);
  add_option(words, "exclude", fmt::format("{}", fmt::join(excluded_nodes, ",")));
  return words;
}

std::string_view holder_script() { return "#!/bin/sh\nexec sleep infinity\n"; }

// --exact: a step takes its own processors, not the whole node. Without --mem it would take all the memory of the node; 0 counts none.
CommandLineWords srun_words(const SlurmSettings& settings, const std::string& job,
                            const Resources& resources, const std::string& wrapper) {
  const std::optional<uint64_t> memory = step_memory(settings, resources);
  return {"srun",
          "--jobid=" + job,
          "--exact",
          "--nodes=1",
          "--ntasks=1",
          fmt::format("--cpus-per-task={}", step_processors(settings, resources)),
          "--mem=" + (memory ? fmt::format("{}M", *memory / kMiB) : "0"),
          "--chdir=/",
          "--input=0",
          "--unbuffered",
          "--quit-on-interrupt",
          wrapper,
          "--run-task"};
}

CommandLineWords check_words(const SlurmSettings& settings, const std::string& job,
                             const std::string& wrapper) {
  CommandLineWords words = srun_words(settings, job, {}, wrapper);
  words.back() = "--check-node";
  return words;
}

CommandLineWords squeue_words(const std::string& job_name) {
  return {"squeue",  "--me",         "--name=" + job_name,        "--noheader",
          "--array", "--states=all", "--format=%A|%i|%T|%N|%r|%L"};
}

CommandLineWords scancel_words(const std::string& job_name) {
  return {"scancel", "--me", "--name=" + job_name};
}

CommandLineWords scancel_steps_words(const std::string& job_name) {
  return {"scancel", "--signal=TERM", "--me", "--name=" + job_name};
}

CommandLineWords scancel_job_words(const std::string& name) { return {"scancel", name}; }

Result<std::vector<QueuedJob>> parse_squeue(std::string_view text) {
  std::vector<QueuedJob> jobs;
  for (const std::string_view line : split(text, '\n')) {
    if (line.empty()) continue;
    const std::vector<std::string_view> parts = split(line, '|');
    if (parts.size() != 6 || !whole_number(parts[0])) {
      return Error(std::errc::invalid_argument, fmt::format("squeue printed '{}'", line));
    }
    jobs.push_back({std::string(parts[0]), std::string(parts[1]), std::string(parts[2]),
                    std::string(parts[3]), std::string(parts[4]), parse_slurm_time(parts[5])});
  }
  return jobs;
}

bool has_ended(const QueuedJob& job) {
  constexpr std::array<std::string_view, 10> kFinal = {
      "BOOT_FAIL", "CANCELLED",     "COMPLETED", "DEADLINE", "FAILED",
      "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED",  "TIMEOUT"};
  return std::find(kFinal.begin(), kFinal.end(), job.state) != kFinal.end();
}

std::optional<std::chrono::seconds> parse_slurm_time(std::string_view text) {
  int64_t days = 0;
  if (const size_t dash = text.find('-'); dash != std::string_view::npos) {
    const std::optional<int64_t> number = whole_number(text.substr(0, dash));
    if (!number) return std::nullopt;
    days = *number;
    text.remove_prefix(dash + 1);
  }
  int64_t seconds = 0;
  const std::vector<std::string_view> parts = split(text, ':');
  if (parts.size() > 3) return std::nullopt;
  for (const std::string_view part : parts) {
    const std::optional<int64_t> number = whole_number(part);
    if (!number) return std::nullopt;
    seconds = seconds * 60 + *number;
  }
  return std::chrono::seconds(days * 86400 + seconds);
}

bool was_refused(std::string_view messages) {
  constexpr std::array kRefusals = {
      "Unable to confirm allocation",  "Unable to contact slurm controller",
      "Unable to create step for job", "Unable to allocate resources",
      "Job/step already completing",   "Invalid job id specified",
      "Required node not available",   "Requested nodes are busy",
      "Job is pending execution",      "Memory required by task is not available"};
  return std::any_of(kRefusals.begin(), kRefusals.end(), [&](std::string_view refusal) {
    return messages.find(refusal) != std::string_view::npos;
  });
}

unsigned step_processors(const SlurmSettings& settings, const Resources& resources) {
  return std::min(resources.cpus, settings.processors);
}

std::optional<uint64_t> step_memory(const SlurmSettings& settings, const Resources& resources) {
  // Not asked for: then Slurm counts the memory of steps against what it chose.
  if (!settings.memory_bytes) return std::nullopt;
  const uint64_t node = *settings.memory_bytes / kMiB;
  const uint64_t share =
      node / std::max(1u, settings.processors) * step_processors(settings, resources);
  const uint64_t wanted =
      resources.memory_bytes ? (*resources.memory_bytes + kMiB - 1) / kMiB : share;
  return std::min(node, wanted) * kMiB;
}

}  // namespace tierhub::compute
