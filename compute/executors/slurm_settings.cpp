#include "compute/executors/slurm_settings.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace tierhub::compute {
namespace {
using Json = nlohmann::json;
}

std::string to_json(const SlurmSettings& settings) {
  Json json = {{"nodes", settings.nodes},
               {"processors", settings.processors},
               {"time_min", settings.time.count()},
               {"account", settings.account},
               {"partition", settings.partition},
               {"qos", settings.qos},
               {"reservation", settings.reservation},
               {"setup", settings.setup},
               {"programs_folder", settings.programs_folder},
               {"commands_folder", settings.commands_folder},
               {"configuration", settings.configuration},
               {"starts_per_second", settings.starts_per_second},
               {"idle_s", settings.idle.count()},
               {"least_read_rate", settings.least_read_rate},
               {"least_free_tmp", settings.least_free_tmp},
               {"lease_s", settings.lease.count()}};
  if (settings.memory_bytes) json["memory_bytes"] = *settings.memory_bytes;
  return json.dump();
}

Result<SlurmSettings> parse_slurm_settings(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    SlurmSettings settings;
    json.at("nodes").get_to(settings.nodes);
    json.at("processors").get_to(settings.processors);
    if (json.contains("memory_bytes")) settings.memory_bytes = json["memory_bytes"].get<uint64_t>();
    settings.time = std::chrono::minutes(json.at("time_min").get<int64_t>());
    json.at("account").get_to(settings.account);
    json.at("partition").get_to(settings.partition);
    json.at("qos").get_to(settings.qos);
    json.at("reservation").get_to(settings.reservation);
    json.at("setup").get_to(settings.setup);
    json.at("programs_folder").get_to(settings.programs_folder);
    json.at("commands_folder").get_to(settings.commands_folder);
    json.at("configuration").get_to(settings.configuration);
    json.at("starts_per_second").get_to(settings.starts_per_second);
    settings.idle = std::chrono::seconds(json.at("idle_s").get<int64_t>());
    json.at("least_read_rate").get_to(settings.least_read_rate);
    json.at("least_free_tmp").get_to(settings.least_free_tmp);
    settings.lease = std::chrono::seconds(json.at("lease_s").get<int64_t>());
    return settings;
  } catch (const Json::exception& e) {
    return Error(std::errc::invalid_argument, fmt::format("settings of Slurm: {}", e.what()));
  }
}

}  // namespace tierhub::compute
