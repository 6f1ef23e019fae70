#include <algorithm>
#include <chrono>

#include <nlohmann/json.hpp>

#include "api/agent_book.h"
#include "tools/tierctl/commands.h"
#include "tools/tierctl/human.h"
#include "tools/tierctl/output.h"

namespace tierhub::tierctl {
namespace {

using Json = nlohmann::ordered_json;

std::string words_of(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

// A value as its name's unit asks for: input_bytes, eta_s.
std::string text_of(const std::string& name, const Json& value) {
  if (value.is_number() && name.ends_with("bytes")) {
    return human_size(static_cast<uint64_t>(std::clamp(value.get<double>(), 0.0, 1e18)));
  }
  if (value.is_number() && name.ends_with("bytes_per_s")) return human_rate(value.get<double>());
  if (value.is_number() && name.ends_with("_s")) return human_duration(value.get<double>());
  if (value.is_string()) return printable(value.get<std::string>());
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_null()) return "-";
  return printable(value.dump());
}

// The unit is in the value.
std::string title_of(std::string name) {
  for (std::string_view unit : {"_bytes_per_s", "_bytes", "_s"}) {
    if (name.ends_with(unit)) {
      name.resize(name.size() - unit.size());
      break;
    }
  }
  return printable(words_of(name));
}

void print_tree(const Json& node, int indent) {
  constexpr int kDeepest = 8;
  std::string margin(static_cast<size_t>(indent) * 2, ' ');
  for (const auto& [name, value] : node.items()) {
    std::string title = node.is_array() ? "-" : title_of(name);
    if (value.is_structured() && indent < kDeepest) {
      if (value.empty()) continue;
      print_line(margin + title + (node.is_array() ? "" : ":"));
      print_tree(value, indent + 1);
    } else {
      print_line(fmt::format("{}{:<{}} {}", margin, title,
                             node.is_array() ? 0 : 16 - 2 * std::min(indent, 4),
                             text_of(name, value)));
    }
  }
}

// One sentence, or empty.
std::string what_it_waits_for(const api::Run& run) {
  if (run.state != "staging" && run.state != "running") return "";
  const Json status = Json::parse(run.json, nullptr, false);
  if (!status.is_object()) return "";
  const auto text = status.find("waits_for");
  return text != status.end() && text->is_string() ? text->get<std::string>() : "";
}

// What the run's own status says, but for what is printed already. It was written by a user's
// process.
void print_own_status(const api::Run& run) {
  Json status = Json::parse(run.json, nullptr, false);
  if (!status.is_object()) {
    if (!run.json.empty()) say("the run's status.json cannot be read");
    return;
  }
  for (const char* known : {"run", "state", "workflow", "updated"}) status.erase(known);
  print_tree(status, 0);
}

// As the API has it, but with the run's status as JSON, not as a text that holds JSON. Null if that
// text, which a user's process wrote, is none.
Json to_json(const api::Run& run) {
  Json json = Json::parse(api::encode(run));
  Json status = Json::parse(run.json, nullptr, false);
  json["json"] = status.is_discarded() ? Json(nullptr) : std::move(status);
  return json;
}

void print_value(const Json& json) {
  print_line(json.dump(2, ' ', false, Json::error_handler_t::replace));
}

std::string gone_since(const api::Run& run) {
  return fmt::format("the agent on {} has been gone since {}", printable(run.agent),
                     human_time(*run.agent_gone));
}

// Why a run has ended badly, or does not get further. A user's process wrote its status.
std::string note_of(const api::Run& run) {
  if (run.agent_gone) return gone_since(run);
  const bool is_done = run.state == "done";
  if (run.state != "failed" && !is_done) return printable(what_it_waits_for(run));
  const Json status = Json::parse(run.json, nullptr, false);
  if (!status.is_object()) return {};
  if (is_done) {
    const auto failed = status.find("tasks_failed");
    if (failed == status.end() || !failed->is_number_unsigned() || *failed == 0) return {};
    return fmt::format("{} task{} failed", failed->get<uint64_t>(), *failed == 1 ? "" : "s");
  }
  const auto found = status.find("error");
  if (found == status.end() || !found->is_string()) return {};
  const std::string text = found->get<std::string>();
  return printable(text.substr(0, text.find('\n')));
}

// Whoever waits for a job must know that nobody takes it.
Result<void> say_if_no_agent_runs(const Context& context) {
  TRY_ASSIGN(const auto agents, context.client.agents());
  const auto lives = [](const api::Agent& agent) { return !agent.gone; };
  if (std::any_of(agents.begin(), agents.end(), lives)) return {};
  TRY_ASSIGN(const auto status, context.client.status());
  const bool had_time =
      status.uptime_s > std::chrono::duration<double>(api::AgentBook::kSilence).count();
  say(had_time || !agents.empty() ? "no agent is running: jobs wait until tieragent is started"
                                  : "no agent has reported since tierd was started");
  return {};
}

}  // namespace

Result<ExitCode> list_jobs(const Context& context) {
  TRY_ASSIGN(auto runs, context.client.runs());
  std::sort(runs.begin(), runs.end(),
            [](const api::Run& a, const api::Run& b) { return a.updated > b.updated; });
  if (context.format == Format::json) {
    Json list = Json::array();
    for (const api::Run& run : runs) list.push_back(to_json(run));
    print_value({{"runs", std::move(list)}});
    return ExitCode::done;
  }
  Table table({{"STATE"}, {"CHANGED"}, {"USER"}, {"WORKFLOW"}, {"RUN"}, {"NOTE"}});
  for (const api::Run& run : runs) {
    table.add({printable(run.state), human_time(run.updated), user_name(run.uid),
               printable(run.workflow), printable(run.run), note_of(run)});
  }
  print(table.text());
  TRY(say_if_no_agent_runs(context));
  return ExitCode::done;
}

Result<ExitCode> show_job(const Context& context, const std::string& name) {
  TRY_ASSIGN(auto run, context.client.run(name));
  if (context.format == Format::json) {
    print_value(to_json(run));
    return ExitCode::done;
  }
  print_line(fmt::format("{:<16} {}", "run", printable(run.run)));
  print_line(fmt::format("{:<16} {}", "state", printable(run.state)));
  print_line(fmt::format("{:<16} {}", "workflow", printable(run.workflow)));
  print_line(fmt::format("{:<16} {}", "user", user_name(run.uid)));
  print_line(fmt::format("{:<16} {}", "changed", human_time(run.updated)));
  if (!run.agent.empty()) {
    print_line(fmt::format("{:<16} {}", "agent",
                           run.agent_gone ? gone_since(run) : "on " + printable(run.agent)));
  }
  print_own_status(run);
  return ExitCode::done;
}

}  // namespace tierhub::tierctl
