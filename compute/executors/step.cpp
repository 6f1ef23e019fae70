#include "compute/executors/step.h"

#include <algorithm>
#include <array>
#include <utility>

#include <sys/random.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "compute/executors/wire.h"

namespace tierhub::compute {
namespace {

using Json = nlohmann::json;

// As TaskEnd.
constexpr std::array<std::string_view, 7> kTaskEnds = {
    "done", "failed", "out_of_time", "out_of_memory", "lost", "unstarted", "stopped"};

StepOrder read_order(const Json& json) {
  StepOrder order;
  order.nonce = json.at("nonce").get<std::string>();
  order.process.program = text_from_wire(json, "program");
  order.process.search_path = text_from_wire(json, "search_path");
  order.process.arguments = texts_from_wire(json.at("arguments"));
  order.process.environment = texts_from_wire(json.at("environment"));
  order.process.cwd = text_from_wire(json, "cwd");
  order.setup = text_from_wire(json, "setup");
  order.lease = std::chrono::milliseconds(json.at("lease_ms").get<int64_t>());
  order.more = json.at("more").get<bool>();
  order.limits.cpus = json.at("cpus").get<unsigned>();
  if (json.contains("memory_bytes"))
    order.limits.memory_bytes = json.at("memory_bytes").get<uint64_t>();
  if (json.contains("time_s"))
    order.limits.time = std::chrono::seconds(json.at("time_s").get<int64_t>());
  return order;
}

StepRecord read_record(const Json& json) {
  StepRecord record;
  record.node = json.at("node").get<std::string>();
  if (json.contains("alive")) {
    record.kind = StepRecord::Kind::alive;
    record.alive = json["alive"].get<uint64_t>();
    return record;
  }
  if (!json.contains("end")) return record;
  record.kind = StepRecord::Kind::ended;
  const auto* end =
      std::find(kTaskEnds.begin(), kTaskEnds.end(), json.at("end").get<std::string>());
  if (end != kTaskEnds.end()) record.end = static_cast<TaskEnd>(end - kTaskEnds.begin());
  record.exit_code = json.at("exit_code").get<int>();
  record.reason = json.at("reason").get<std::string>();
  record.peak_bytes = json.at("peak_bytes").get<uint64_t>();
  record.processor_s = json.at("processor_s").get<double>();
  return record;
}

// A record that was torn says nothing; the task then has none.
std::optional<StepRecord> record_of(std::string_view json) {
  try {
    return read_record(Json::parse(json));
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

}  // namespace

std::string to_json(const StepOrder& order) {
  Json json = {{"nonce", order.nonce},
               {"program", api::to_wire_text(order.process.program)},
               {"search_path", api::to_wire_text(order.process.search_path)},
               {"arguments", texts_to_wire(order.process.arguments)},
               {"environment", texts_to_wire(order.process.environment)},
               {"cwd", api::to_wire_text(order.process.cwd)},
               {"setup", api::to_wire_text(order.setup)},
               {"cpus", order.limits.cpus},
               {"lease_ms", order.lease.count()},
               {"more", order.more}};
  if (order.limits.memory_bytes) json["memory_bytes"] = *order.limits.memory_bytes;
  if (order.limits.time) json["time_s"] = order.limits.time->count();
  return to_wire_line(json);
}

Result<StepOrder> parse_order(std::string_view json) {
  try {
    return read_order(Json::parse(json));
  } catch (const Json::exception& e) {
    return Error(std::errc::invalid_argument, fmt::format("the order of a task: {}", e.what()));
  }
}

std::string to_line(const StepRecord& record, std::string_view nonce) {
  Json json = {{"node", record.node}};
  if (record.kind == StepRecord::Kind::alive) json["alive"] = record.alive;
  if (record.kind == StepRecord::Kind::ended) {
    json["end"] = kTaskEnds.at(static_cast<size_t>(record.end));
    json["exit_code"] = record.exit_code;
    json["reason"] = record.reason;
    json["peak_bytes"] = record.peak_bytes;
    json["processor_s"] = record.processor_s;
  }
  return fmt::format("\x1e{} {}\n", nonce, to_wire_line(json));
}

StepOutput::StepOutput(std::string_view nonce) : mark_(fmt::format("\x1e{} ", nonce)) {}

std::vector<StepPiece> StepOutput::write(std::string_view bytes) {
  kept_ += bytes;
  std::vector<StepPiece> pieces;
  std::string out;
  size_t at = 0;
  while (at < kept_.size()) {
    const size_t begin = std::min(kept_.find('\x1e', at), kept_.size());
    out.append(kept_, at, begin - at);
    at = begin;
    const size_t seen = std::min(kept_.size() - at, mark_.size());
    if (kept_.compare(at, seen, mark_, 0, seen) == 0) {
      const size_t end = kept_.find('\n', at);
      if (end == std::string::npos && kept_.size() - at <= kMaxRecordBytes) break;
      if (end != std::string::npos) {
        const std::string_view json(kept_);
        std::optional<StepRecord> record =
            record_of(json.substr(at + mark_.size(), end - at - mark_.size()));
        if (record) pieces.push_back({std::exchange(out, {}), std::move(record)});
        at = end + 1;
        continue;
      }
    }
    if (at < kept_.size()) out += kept_[at++];
  }
  kept_.erase(0, at);
  if (!out.empty()) pieces.push_back({std::move(out), std::nullopt});
  return pieces;
}

std::string StepOutput::end() { return std::exchange(kept_, {}); }

Result<std::string> make_nonce() {
  std::array<unsigned char, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    return Error::from_errno(errno, "getrandom");
  std::string text;
  for (const unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

}  // namespace tierhub::compute
