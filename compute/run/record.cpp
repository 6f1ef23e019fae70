#include "compute/run/record.h"

#include <algorithm>
#include <span>

#include <fcntl.h>

#include <nlohmann/json.hpp>

#include "api/byte_text.h"
#include "api/time_text.h"
#include "common/posix.h"
#include "formats/json.h"

namespace tierhub::compute {
namespace {

using Json = nlohmann::json;

std::string to_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Timestamp get_time(const Json& json, std::string_view key) {
  const std::optional<std::string> text = formats::get_text(json, key);
  return text ? api::from_time_text(*text).value_or(Timestamp{}) : Timestamp{};
}

double get_seconds(const Json& json, std::string_view key) {
  const Json* number = formats::find_member(json, key);
  return number != nullptr && number->is_number() ? number->get<double>() : 0;
}

std::vector<std::string> get_texts(const Json& array) {
  std::vector<std::string> texts;
  for (const Json& one : array) {
    if (one.is_string()) texts.push_back(api::from_wire_text(one.get<std::string>()));
  }
  return texts;
}

std::vector<std::string> paths_to_wire(const std::vector<std::string>& texts) {
  std::vector<std::string> made;
  for (const std::string& text : texts) made.push_back(api::to_wire_text(text));
  return made;
}

RunHeader read_header(const Json& json) {
  RunHeader header;
  header.boot_id = formats::get_text(json, "boot_id").value_or("");
  header.job_checksum = formats::get_text(json, "job").value_or("");
  header.started = get_time(json, "started");
  header.work_key = formats::get_text(json, "work_key").value_or("");
  header.takes_up = formats::get_text(json, "takes_up").value_or("");
  const Json* items = formats::find_member(json, "items");
  if (items != nullptr && items->is_array()) header.item_paths = get_texts(*items);
  if (const Json* values = formats::find_member(json, "values");
      values != nullptr && values->is_object()) {
    for (const auto& [name, value] : values->items()) {
      if (value.is_array()) header.values[name] = get_texts(value);
    }
  }
  if (const Json* seen = formats::find_member(json, "seen"); seen != nullptr && seen->is_object()) {
    for (const auto& [path, look] : seen->items()) {
      if (look.is_string()) header.seen[api::from_wire_text(path)] = look.get<std::string>();
    }
  }
  return header;
}

TaskRecord read_task(const Json& json) {
  TaskRecord task;
  task.step = formats::get_text(json, "step").value_or("");
  task.index = formats::get_unsigned(json, "task").value_or(0);
  task.state = formats::get_text(json, "state").value_or("done");
  task.attempts = static_cast<unsigned>(formats::get_unsigned(json, "attempts").value_or(1));
  task.slot = static_cast<int>(formats::get_unsigned(json, "slot").value_or(0));
  task.node = formats::get_text(json, "node").value_or("");
  task.start = get_time(json, "start");
  task.end = get_time(json, "end");
  task.exit_code = static_cast<int>(get_seconds(json, "exit_code"));
  task.reason = formats::get_text(json, "reason").value_or("");
  task.name = formats::get_text(json, "name").value_or("");
  task.from_run = formats::get_text(json, "from_run").value_or("");
  task.processor_s = get_seconds(json, "processor_s");
  task.peak_bytes = formats::get_unsigned(json, "peak_bytes").value_or(0);
  task.waited_for_data_s = get_seconds(json, "waited_for_data_s");
  const Json* lines = formats::find_member(json, "report");
  if (lines == nullptr || !lines->is_array()) return task;
  for (const Json& line : *lines) {
    if (line.is_string()) task.report.lines.push_back(api::from_wire_text(line.get<std::string>()));
  }
  task.report.left_out = formats::get_unsigned(json, "report_left_out").value_or(0);
  return task;
}

}  // namespace

Result<RunRecord> RunRecord::open(const std::string& path) {
  TRY_ASSIGN(UniqueFd fd,
             posix::open_at(AT_FDCWD, path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, 0644));
  TRY_ASSIGN(const std::string text, posix::read_file(path));
  RunRecord record(std::move(fd));
  const size_t whole = record.read_lines(text);
  if (whole < text.size()) TRY(posix::truncate_fd(record.fd_.get(), whole));
  return record;
}

Result<RunRecord> RunRecord::read(const std::string& path) {
  TRY_ASSIGN(UniqueFd fd, posix::open_at(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  TRY_ASSIGN(const std::string text, posix::read_file(path));
  RunRecord record(std::move(fd));
  record.read_lines(text);
  return record;
}

size_t RunRecord::read_lines(std::string_view text) {
  size_t begin = 0;
  for (size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    read_line(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return begin;
}

void RunRecord::read_line(std::string_view line) {
  const Result<Json> json = formats::parse_json(line, "tasks.jsonl");
  if (!json) return;
  if (formats::find_member(*json, "boot_id") != nullptr) header_ = read_header(*json);
  if (formats::find_member(*json, "step") != nullptr) {
    TaskRecord task = read_task(*json);
    (task.state == "done" ? finished_ : failed_).push_back(std::move(task));
  }
  if (formats::find_member(*json, "taken_up") != nullptr) taken_up_ = true;
  if (formats::find_member(*json, "placing") != nullptr) placing_ = true;
  if (const auto ended = formats::get_text(*json, "ended")) ended_ = *ended;
}

Result<void> RunRecord::begin(const RunHeader& header) {
  TRY(posix::truncate_fd(fd_.get(), 0));
  finished_.clear();
  failed_.clear();
  taken_up_ = false;
  placing_ = false;
  ended_.clear();
  header_ = header;
  Json values = Json::object();
  for (const auto& [name, value] : header.values) values[name] = paths_to_wire(value);
  Json seen = Json::object();
  for (const auto& [path, look] : header.seen) seen[api::to_wire_text(path)] = look;
  const Json json = {{"boot_id", header.boot_id},
                     {"job", header.job_checksum},
                     {"started", api::to_time_text(header.started)},
                     {"items", paths_to_wire(header.item_paths)},
                     {"values", values},
                     {"seen", seen},
                     {"takes_up", header.takes_up},
                     {"work_key", header.work_key}};
  return posix::write_all(fd_.get(), to_line(json));
}

Result<void> RunRecord::add_finished(const TaskRecord& task) { return add(task); }

Result<void> RunRecord::add_failed(const TaskRecord& task) { return add(task); }

Result<void> RunRecord::add(const TaskRecord& task) {
  Json json = {{"step", task.step},
               {"task", task.index},
               {"attempts", task.attempts},
               {"slot", task.slot},
               {"start", api::to_time_text(task.start)},
               {"end", api::to_time_text(task.end.value_or(task.start))},
               {"processor_s", task.processor_s},
               {"peak_bytes", task.peak_bytes},
               {"waited_for_data_s", task.waited_for_data_s}};
  if (!task.node.empty()) json["node"] = task.node;
  if (!task.from_run.empty()) json["from_run"] = task.from_run;
  if (task.state == "failed") {
    json["state"] = task.state;
    json["reason"] = task.reason;
    json["name"] = task.name;
    json["exit_code"] = task.exit_code.value_or(0);
  }
  for (const std::string& line : task.report.lines)
    json["report"].push_back(api::to_wire_text(line));
  if (task.report.left_out > 0) json["report_left_out"] = task.report.left_out;
  return posix::write_all(fd_.get(), to_line(json));
}

Result<void> RunRecord::mark_taken_up() {
  TRY(posix::write_all(fd_.get(), to_line({{"taken_up", true}})));
  return posix::sync_fd(fd_.get());
}

Result<void> RunRecord::mark_placing() {
  TRY(posix::write_all(fd_.get(), to_line({{"placing", true}})));
  return posix::sync_fd(fd_.get());
}

Result<void> RunRecord::mark_ended(const EndLine& line) {
  TRY(posix::write_all(fd_.get(), to_line({{"ended", line.state},
                                           {"work_key", line.work_key},
                                           {"workers", line.workers},
                                           {"wall_s", line.wall_s},
                                           {"waited_for_slots_s", line.waited_for_slots_s},
                                           {"bytes_copied", line.bytes_copied},
                                           {"output", api::to_wire_text(line.output)},
                                           {"work_kept", line.work_kept}})));
  return posix::sync_fd(fd_.get());
}

std::optional<EndLine> read_end_line(int run_folder_fd) {
  constexpr uint64_t kTailBytes = 16384;
  const Result<UniqueFd> fd =
      posix::open_at(run_folder_fd, "tasks.jsonl", O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) return std::nullopt;
  const Result<struct stat> st = posix::stat_fd(fd->get());
  if (!st || !S_ISREG(st->st_mode)) return std::nullopt;
  const auto size = static_cast<uint64_t>(st->st_size);
  std::string tail(std::min(size, kTailBytes), '\0');
  const Result<size_t> n =
      posix::read_at(fd->get(), std::as_writable_bytes(std::span(tail)), size - tail.size());
  if (!n || *n != tail.size() || !tail.ends_with('\n')) return std::nullopt;
  tail.pop_back();
  const Result<Json> json =
      formats::parse_json(std::string_view(tail).substr(tail.rfind('\n') + 1), "tasks.jsonl");
  if (!json) return std::nullopt;
  EndLine line;
  line.state = formats::get_text(*json, "ended").value_or("");
  if (line.state.empty()) return std::nullopt;
  line.work_key = formats::get_text(*json, "work_key").value_or("");
  line.workers = static_cast<unsigned>(formats::get_unsigned(*json, "workers").value_or(0));
  line.wall_s = get_seconds(*json, "wall_s");
  line.waited_for_slots_s = get_seconds(*json, "waited_for_slots_s");
  line.bytes_copied = formats::get_unsigned(*json, "bytes_copied").value_or(0);
  line.output = api::from_wire_text(formats::get_text(*json, "output").value_or(""));
  const Json* kept = formats::find_member(*json, "work_kept");
  line.work_kept = kept != nullptr && kept->is_boolean() && kept->get<bool>();
  return line;
}

}  // namespace tierhub::compute
