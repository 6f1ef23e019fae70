#include "hub/jobs/routes.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <span>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "api/byte_text.h"
#include "api/run_folder.h"
#include "api/target.h"
#include "common/host_name.h"
#include "common/posix.h"
#include "hub/images/answers.h"
#include "hub/jobs/results.h"

namespace tierhub::hub {
namespace {

using formats::Json;

constexpr std::chrono::seconds kTimeToCheck{10};
constexpr std::chrono::seconds kTimeToPlan{60};
constexpr int kMostPlans = 4;  // at the same time; others get 503
constexpr uint64_t kMostFileBytes = 16 << 20;
constexpr uint64_t kMostStatusBytes = 64 << 20;
constexpr uint64_t kMostLogBytes = 4 << 20;

Error invalid(std::string text) { return {std::errc::invalid_argument, std::move(text)}; }

Result<uint64_t> number_of(const std::map<std::string, std::string>& parameters,
                           const std::string& name, uint64_t otherwise, uint64_t most) {
  const auto found = parameters.find(name);
  if (found == parameters.end()) return otherwise;
  uint64_t value = 0;
  const std::string& text = found->second;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size())
    return invalid(fmt::format("{} = \"{}\" is no number", name, text));
  return std::min(value, most);
}

// The value of a parameter as a person would write it.
Result<std::string> text_of(const Json& value, const std::string& name) {
  if (value.is_string()) {
    const std::string text = api::from_wire_text(value.get<std::string>());
    if (text.find('\0') == std::string::npos) return text;
    return invalid(fmt::format("the value of '{}' has a byte that is no text", name));
  }
  if (value.is_number() || value.is_boolean()) return value.dump();
  return invalid(fmt::format("the value of '{}' must be a text, a number or a truth value", name));
}

// --set for each value.
Result<std::vector<std::string>> arguments_of(const Json& values) {
  std::vector<std::string> arguments;
  if (!values.is_null() && !values.is_object()) return invalid("values must be an object");
  for (const auto& [name, value] : values.items()) {
    const Json list = value.is_array() ? value : Json::array({value});
    for (const Json& one : list) {
      TRY_ASSIGN(const std::string text, text_of(one, name));
      arguments.push_back("--set");
      arguments.push_back(fmt::format("{}={}", name, text));
    }
  }
  return arguments;
}

// A file of a run's folder, which the person owns.
Result<std::string> read_bounded(const std::string& path, uint64_t most) {
  TRY_ASSIGN(const UniqueFd fd, posix::open_at(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  TRY_ASSIGN(const struct stat st, posix::stat_fd(fd.get()));
  if (!S_ISREG(st.st_mode)) return invalid(path + " is no file");
  if (static_cast<uint64_t>(st.st_size) > most)
    return Error(std::errc::file_too_large, path + " is too large to be shown");
  std::string text(static_cast<size_t>(st.st_size), '\0');
  TRY_ASSIGN(const size_t n, posix::read_at(fd.get(), std::as_writable_bytes(std::span(text)), 0));
  text.resize(n);
  return text;
}

http::Response plain(std::string text) {
  http::Response response;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(text);
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

// What a parameter or an item of the run names, if it is a path and no pattern.
void add_path(const std::string& text, std::vector<std::string>& paths) {
  if (text.find('*') == std::string::npos) paths.push_back(text);
}

}  // namespace

struct JobRoutes::Call {
  std::string method;
  std::vector<std::string> segments;  // without "api"
  std::map<std::string, std::string> parameters;
  Json body;

  bool is(std::string_view wanted, std::initializer_list<std::string_view> path) const {
    return method == wanted &&
           std::equal(path.begin(), path.end(), segments.begin(), segments.end());
  }
};

JobRoutes::JobRoutes(api::Client tierd, Root root, Options options)
    : tierd_(std::move(tierd)),
      root_(std::move(root)),
      options_(std::move(options)),
      agent_(options_.tieragent, tierd_.socket_path()) {}

Result<std::unique_ptr<JobRoutes>> JobRoutes::open(api::Client tierd, Options options) {
  TRY_ASSIGN(Root root, Root::open(options.root));
  return std::unique_ptr<JobRoutes>(
      new JobRoutes(std::move(tierd), std::move(root), std::move(options)));
}

bool JobRoutes::serves(std::string_view target) {
  const std::string_view path = target.substr(0, target.find('?'));
  return path == "/api/workflows" || path == "/api/file" || path.starts_with("/api/workflow/") ||
         path.starts_with("/api/runs/");
}

http::Response JobRoutes::handle(const http::Request& request) {
  const auto target = api::parse_target(request.target);
  if (!target) return error_answer(target.error());
  Call call{request.method == "HEAD" ? "GET" : request.method,
            {target->segments.begin() + 1, target->segments.end()},
            target->parameters,
            {}};
  if (!request.body.empty()) {
    const auto body = formats::parse_json(request.body, "the request");
    if (!body || !body->is_object()) return error_answer(invalid("the request is no JSON object"));
    call.body = *body;
  }
  Result<http::Response> answered = answer(call);
  return answered ? *std::move(answered) : error_answer(answered.error());
}

Result<http::Response> JobRoutes::answer(const Call& call) {
  if (call.is("GET", {"workflows"})) return workflows();
  if (call.is("POST", {"workflow", "check"})) return check(call);
  if (call.is("POST", {"workflow", "plan"})) return plan(call);
  if (call.is("POST", {"workflow", "run"})) return run(call);
  if (call.is("GET", {"file"})) return file(call);
  if (call.segments.size() >= 2 && call.segments.front() == "runs") {
    const std::string& name = call.segments[1];
    if (call.is("GET", {"runs", name})) return status(name);
    if (call.is("GET", {"runs", name, "log"})) return log(name, call);
    if (call.is("GET", {"runs", name, "results"})) return results(name);
    if (call.is("POST", {"runs", name, "cancel"})) return cancel(name);
  }
  return Error(std::errc::no_such_file_or_directory,
               fmt::format("there is no {} of that address", call.method));
}

Result<http::Response> JobRoutes::workflows() {
  TRY_ASSIGN(const Answer listed, agent_.ask({"--workflows"}, "", kTimeToCheck));
  TRY_ASSIGN(Json json, formats::parse_json(listed.out, "the answer of tieragent"));
  json["folder"] = "";
  json["problem"] = "";
  const auto agents = tierd_.agents();
  if (!agents) json["problem"] = agents.error().text();
  const api::Agent* agent =
      agents ? api::agent_for(*agents, ::geteuid(), name_of_this_host()) : nullptr;
  if (agent != nullptr) json["folder"] = api::to_wire_text(agent->folders.front());
  if (agents && agent == nullptr)
    json["problem"] = "no agent is running: nobody would take the job until tieragent is started";
  return json_answer(json);
}

// tieragent answers with JSON also if something is wrong with the workflow.
static Result<http::Response> answer_of_agent(const Answer& answer) {
  const auto json = formats::parse_json(answer.out, "the answer of tieragent");
  if (json && json->is_object()) return json_answer(*json);
  std::string text = answer.err.substr(0, answer.err.find('\n'));
  if (text.starts_with("tieragent: ")) text.erase(0, std::string_view("tieragent: ").size());
  return invalid(text.empty() ? "tieragent ended without an answer" : text);
}

Result<http::Response> JobRoutes::check(const Call& call) {
  const auto text = formats::get_text(call.body, "text");
  if (!text) return invalid("\"text\" is missing: the workflow");
  TRY_ASSIGN(std::vector<std::string> arguments, arguments_of(call.body.value("values", Json())));
  arguments.insert(arguments.begin(), {"--check", "-"});
  TRY_ASSIGN(const Answer answer, agent_.ask(arguments, *text, kTimeToCheck));
  return answer_of_agent(answer);
}

Result<http::Response> JobRoutes::plan(const Call& call) {
  const auto text = formats::get_text(call.body, "text");
  if (!text) return invalid("\"text\" is missing: the workflow");
  TRY_ASSIGN(std::vector<std::string> arguments, arguments_of(call.body.value("values", Json())));
  arguments.insert(arguments.begin(), {"--plan", "-"});
  const int others = asking_.fetch_add(1);
  const auto answer = others < kMostPlans ? agent_.ask(arguments, *text, kTimeToPlan)
                                          : Error(std::errc::resource_unavailable_try_again,
                                                  "other plans are being made: ask again");
  asking_.fetch_sub(1);
  if (!answer) return answer.error();
  TRY_ASSIGN(http::Response response, answer_of_agent(*answer));
  Json json = Json::parse(std::get<std::string>(response.body), nullptr, false);
  if (const auto output = formats::get_text(json, "output"))
    json["output"] = api::to_wire_text(in_namespace(api::from_wire_text(*output)));
  return json_answer(json);
}

Result<http::Response> JobRoutes::run(const Call& call) {
  const auto text = formats::get_text(call.body, "text");
  if (!text) return invalid("\"text\" is missing: the workflow");
  TRY_ASSIGN(std::vector<std::string> arguments, arguments_of(call.body.value("values", Json())));
  arguments.insert(arguments.begin(), {"--submit", "-"});
  if (const auto name = formats::get_text(call.body, "name"); name && !name->empty()) {
    arguments.push_back("--name");
    arguments.push_back(*name);
  }
  TRY_ASSIGN(const Answer answer, agent_.ask(arguments, *text, kTimeToCheck));
  TRY_ASSIGN(http::Response response, answer_of_agent(answer));
  const Json json = Json::parse(std::get<std::string>(response.body), nullptr, false);
  if (formats::find_member(json, "job") != nullptr) return response;
  const Json* errors = formats::find_member(json, "errors");
  const Json first = errors != nullptr && !errors->empty() ? errors->front() : Json::object();
  return invalid(formats::get_text(first, "message").value_or("the workflow cannot be started"));
}

std::string JobRoutes::in_namespace(const std::string& path) const {
  if (path == options_.root) return "/";
  if (path.starts_with(options_.root + "/")) return path.substr(options_.root.size());
  return path;
}

Result<Json> JobRoutes::status_of(const std::string& folder) const {
  TRY_ASSIGN(const std::string text, read_bounded(folder + "/status.json", kMostStatusBytes));
  TRY_ASSIGN(Json json, formats::parse_json(text, "status.json"));
  if (!json.is_object()) return invalid("status.json of the run is damaged");
  return json;
}

Result<http::Response> JobRoutes::status(const std::string& run) const {
  TRY_ASSIGN(const auto agents, tierd_.agents());
  TRY_ASSIGN(const api::RunFolder folder, api::find_run_folder(agents, run));
  TRY_ASSIGN(Json json, status_of(folder.path));
  json["folder"] = api::to_wire_text(in_namespace(folder.path));
  const auto report = read_bounded(folder.path + "/REPORT.txt", kMostLogBytes);
  json["report"] = report ? api::to_wire_text(*report) : "";
  const auto job = read_bounded(folder.path + "/job.yaml", kMostLogBytes);
  json["job"] = job ? api::to_wire_text(*job) : "";
  return json_answer(json);
}

Result<http::Response> JobRoutes::log(const std::string& run, const Call& call) const {
  TRY_ASSIGN(const uint64_t tail, number_of(call.parameters, "tail", 65'536, kMostLogBytes));
  TRY_ASSIGN(const auto agents, tierd_.agents());
  TRY_ASSIGN(const api::RunFolder folder, api::find_run_folder(agents, run));
  TRY_ASSIGN(const UniqueFd fd, posix::open_at(AT_FDCWD, folder.path + "/run.log",
                                               O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  TRY_ASSIGN(const struct stat st, posix::stat_fd(fd.get()));
  const uint64_t size = S_ISREG(st.st_mode) ? static_cast<uint64_t>(st.st_size) : 0;
  const uint64_t begin = size - std::min(size, tail);
  std::string text(size - begin, '\0');
  TRY_ASSIGN(const size_t n,
             posix::read_at(fd.get(), std::as_writable_bytes(std::span(text)), begin));
  text.resize(n);
  if (begin > 0) text.erase(0, text.find('\n') + 1);  // the rest of a line
  return plain(std::move(text));
}

Result<http::Response> JobRoutes::results(const std::string& run) const {
  TRY_ASSIGN(const auto agents, tierd_.agents());
  TRY_ASSIGN(const api::RunFolder folder, api::find_run_folder(agents, run));
  TRY_ASSIGN(const Json status, status_of(folder.path));
  const std::string output = formats::get_text(status, "output").value_or("");
  // What the labels may be of: the items of the run, and what was named by its parameters.
  std::vector<std::string> inputs;
  const auto add_each = [&](const Json* values) {
    for (const Json& value : values != nullptr ? *values : Json::array()) {
      const Json list = value.is_array() ? value : Json::array({value});
      for (const Json& one : list) {
        if (!one.is_string()) continue;
        const std::string text = api::from_wire_text(one.get<std::string>());
        add_path(text.starts_with('/') ? in_namespace(text) : "/" + text, inputs);
      }
    }
  };
  const auto record = read_bounded(folder.path + "/tasks.jsonl", kMostStatusBytes);
  const std::string head = record ? record->substr(0, record->find('\n')) : "";
  const auto header = formats::parse_json(head, "tasks.jsonl");
  if (header) add_each(formats::find_member(*header, "items"));
  add_each(formats::find_member(status, "parameters"));
  if (!output.starts_with(options_.root + "/")) {
    return json_answer(
        {{"output", api::to_wire_text(output)}, {"files", Json::array()}, {"left_out", 0}});
  }
  auto listed = results_json(root_, *options_.tiers, in_namespace(output), inputs);
  if (!listed && listed.error().is(std::errc::no_such_file_or_directory)) {
    return json_answer({{"output", api::to_wire_text(in_namespace(output))},
                        {"files", Json::array()},
                        {"left_out", 0}});
  }
  if (!listed) return listed.error();
  return json_answer(*listed);
}

Result<http::Response> JobRoutes::cancel(const std::string& run) const {
  TRY_ASSIGN(const auto agents, tierd_.agents());
  TRY_ASSIGN(const api::RunFolder folder, api::find_run_folder(agents, run));
  TRY(api::cancel_run(folder));
  return json_answer(Json::object());
}

Result<http::Response> JobRoutes::file(const Call& call) const {
  const auto named = call.parameters.find("path");
  if (named == call.parameters.end()) return invalid("path is missing");
  TRY_ASSIGN(const uint64_t begin, number_of(call.parameters, "begin", 0, UINT64_MAX));
  TRY_ASSIGN(const uint64_t bytes,
             number_of(call.parameters, "bytes", kMostFileBytes, kMostFileBytes));
  TRY_ASSIGN(const std::string path, root_.resolve(named->second));
  auto fd = root_.open_file(path, O_RDONLY | O_NONBLOCK);
  if (!fd) return fd.error();
  TRY_ASSIGN(const struct stat st, posix::stat_fd(fd->get()));
  if (!S_ISREG(st.st_mode)) return invalid(path + " is no file");
  const auto size = static_cast<uint64_t>(st.st_size);
  const uint64_t from = std::min(begin, size), end = from + std::min(bytes, size - from);
  const FileParts parts = {{path, {{from, end}}}};
  if (from < end) {
    TRY_ASSIGN(const Missing missing, options_.tiers->missing(parts));
    if (missing.bytes > 0) {
      TRY(options_.tiers->bring(parts, name_of(path)));
      return cold_answer(missing, ColdState::recalling);
    }
  }
  http::Response response = plain("");
  const bool is_png = path.ends_with(".png");
  if (is_png) response.content_type = "image/png";
  response.headers.emplace_back("X-TierHub-Size", std::to_string(size));
  response.body =
      http::FileBody{std::make_shared<const UniqueFd>(*std::move(fd)), from, end - from};
  return response;
}

}  // namespace tierhub::hub
