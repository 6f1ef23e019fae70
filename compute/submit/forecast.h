// The plan of a run that is not run: its tasks, the bytes that it would bring to the SSD, the room
// there, and the memory of its tasks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/result.h"
#include "compute/run/plan.h"
#include "compute/staging/tier_client.h"

namespace tierhub::compute {

struct StepForecast {
  std::string id;
  std::string program;
  size_t tasks = 0;
  unsigned cpus = 1;
  std::optional<uint64_t> memory_bytes;  // of a task
  // "estimate", of the program; "guess", the same before its labels exist; "workflow"; or empty
  std::string memory_from;
  std::string memory_note;  // why it is not known, or a guess: "not known before 'nuclei' has run"
};

struct Forecast {
  std::string workflow;
  size_t items = 0;  // files, blocks, planes, ...
  size_t tasks = 0;
  std::vector<StepForecast> steps;
  uint64_t bytes = 0;           // of the input that the steps read, each once
  uint64_t resident_bytes = 0;  // of these, on the SSD
  // Of the SSD; none without tierd.
  std::optional<uint64_t> capacity_bytes;
  std::optional<uint64_t> free_bytes;
  std::string output;  // where the results would be, with {run}
  std::vector<std::string> left_out;
  std::vector<std::string> warnings;

  uint64_t bytes_to_bring() const { return bytes - std::min(bytes, resident_bytes); }
};

// Runs nothing but the estimates of programs that have them (imgop ... --estimate), and brings
// nothing but metadata. Takes about half a minute at most: what there was no time for is a warning.
// `tier` may be null.
Result<Forecast> make_forecast(const RunPlan& plan, TierClient* tier);

nlohmann::ordered_json to_json(const Forecast& forecast);
std::string to_text(const Forecast& forecast);

}  // namespace tierhub::compute
