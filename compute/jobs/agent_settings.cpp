#include "compute/jobs/agent_settings.h"

#include <functional>
#include <map>

#include <fmt/format.h>

#include "common/posix.h"
#include "compute/workflow/workflow.h"
#include "compute/workflow/yaml_document.h"

namespace tierhub::compute {
namespace {

const std::vector<std::string_view>& settings_keys() {
  static const std::vector<std::string_view> keys = {"executor", "slurm"};
  return keys;
}

const std::vector<std::string_view>& slurm_keys() {
  static const std::vector<std::string_view> keys = {"nodes",
                                                     "processors",
                                                     "memory",
                                                     "time",
                                                     "account",
                                                     "partition",
                                                     "qos",
                                                     "setup",
                                                     "reservation",
                                                     "programs",
                                                     "slurm_conf",
                                                     "commands",
                                                     "starts_per_second",
                                                     "idle_s",
                                                     "read_rate",
                                                     "free_tmp",
                                                     "lease_s"};
  return keys;
}

// Slurm's programs take what follows as part of an option: a name, and no other option.
Checked<std::string> plain_name(const YamlDocument& document, const YAML::Node& node,
                                const std::string& text) {
  const size_t bad = text.find_first_not_of(
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-,@+");
  if (bad == std::string::npos) return text;
  return document.complaint(node, fmt::format("'{}' is no name of Slurm", text));
}

Checked<std::string> absolute_path(const YamlDocument& document, const YAML::Node& node,
                                   const std::string& text) {
  if (text.starts_with('/')) return text;
  return document.complaint(node, fmt::format("'{}' is no absolute path", text));
}

Checked<void> read_slurm_entry(const YamlDocument& document, const std::string& key,
                               const YAML::Node& value, SlurmSettings& slurm) {
  const Checked<std::string> text = document.scalar(value, key);
  if (!text) return text.error();
  using Number = std::pair<unsigned*, uint64_t>;
  const std::map<std::string, Number> numbers = {
      {"nodes", {&slurm.nodes, 10'000}},
      {"processors", {&slurm.processors, 4096}},
      {"starts_per_second", {&slurm.starts_per_second, 10}}};
  if (const auto number = numbers.find(key); number != numbers.end()) {
    const Checked<uint64_t> given = document.number(value, *text, key, 1, number->second.second);
    if (!given) return given.error();
    *number->second.first = static_cast<unsigned>(*given);
    return {};
  }
  using Text = std::pair<std::string*, decltype(&plain_name)>;
  const std::map<std::string, Text> texts = {{"account", {&slurm.account, plain_name}},
                                             {"partition", {&slurm.partition, plain_name}},
                                             {"qos", {&slurm.qos, plain_name}},
                                             {"reservation", {&slurm.reservation, plain_name}},
                                             {"setup", {&slurm.setup, absolute_path}},
                                             {"programs", {&slurm.programs_folder, absolute_path}},
                                             {"commands", {&slurm.commands_folder, absolute_path}},
                                             {"slurm_conf", {&slurm.configuration, absolute_path}}};
  if (const auto found = texts.find(key); found != texts.end()) {
    const auto [place, check] = found->second;
    const Checked<std::string> given = check(document, value, *text);
    if (!given) return given.error();
    *place = *given;
    return {};
  }
  const bool is_size = key == "memory" || key == "read_rate" || key == "free_tmp";
  if (is_size) {
    const Result<uint64_t> bytes = parse_size(*text);
    if (!bytes) return document.complaint(value, bytes.error().text());
    if (key == "memory") slurm.memory_bytes = *bytes;
    if (key == "read_rate") slurm.least_read_rate = *bytes;
    if (key == "free_tmp") slurm.least_free_tmp = *bytes;
    return {};
  }
  struct Seconds {
    std::chrono::seconds* value;
    uint64_t least;
    uint64_t most;
  };
  const std::map<std::string, Seconds> times = {{"idle_s", {&slurm.idle, 1, 86'400}},
                                                {"lease_s", {&slurm.lease, 5, 3600}}};
  if (const auto found = times.find(key); found != times.end()) {
    const Checked<uint64_t> given =
        document.number(value, *text, key, found->second.least, found->second.most);
    if (!given) return given.error();
    *found->second.value = std::chrono::seconds(*given);
    return {};
  }
  const Result<std::chrono::seconds> time = parse_duration(*text);
  if (!time) return document.complaint(value, time.error().text());
  if (*time < std::chrono::minutes(1))
    return document.complaint(value, "Slurm counts in minutes: give a node at least one");
  slurm.time = std::chrono::duration_cast<std::chrono::minutes>(*time);
  return {};
}

}  // namespace

Result<ExecutorKind> parse_executor(std::string_view text) {
  if (text == "local") return ExecutorKind::local;
  if (text == "slurm") return ExecutorKind::slurm;
  return Error(std::errc::invalid_argument,
               fmt::format("'{}' is no executor: local or slurm", text));
}

Result<AgentSettings> parse_agent_settings(std::string_view yaml) {
  AgentSettings settings;
  const Checked<YamlDocument> document = YamlDocument::parse(yaml);
  if (!document) return to_error(document.error());
  Complaints complaints;
  const auto use_slurm = [&](const std::string& key, const YAML::Node&, const YAML::Node& value) {
    return read_slurm_entry(*document, key, value, settings.slurm);
  };
  const auto use = [&](const std::string& key, const YAML::Node&,
                       const YAML::Node& value) -> Checked<void> {
    if (key == "slurm") {
      return document->each_entry(value, "the section slurm", slurm_keys(), use_slurm, complaints);
    }
    const Checked<std::string> text = document->scalar(value, key);
    if (!text) return text.error();
    const Result<ExecutorKind> kind = parse_executor(*text);
    if (!kind) return document->complaint(value, kind.error().text());
    settings.executor = *kind;
    return {};
  };
  const Checked<void> used =
      document->each_entry(document->root(), "the settings", settings_keys(), use, complaints);
  if (!used) return to_error(used.error());
  if (!complaints.empty()) return to_error(complaints.front());
  return settings;
}

Result<AgentSettings> read_agent_settings(const std::string& path) {
  TRY_ASSIGN(const std::string text, posix::read_file(path));
  const Result<AgentSettings> settings = parse_agent_settings(text);
  if (settings) return settings;
  return Error(settings.error().code(), path + ": " + settings.error().text());
}

}  // namespace tierhub::compute
