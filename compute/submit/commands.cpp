#include "compute/submit/commands.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <random>
#include <thread>

#include <unistd.h>

#include <fmt/format.h>

#include "api/run_folder.h"
#include "common/run_as.h"
#include "compute/executors/process.h"
#include "compute/run/take_up.h"
#include "compute/submit/check.h"
#include "compute/submit/drop.h"
#include "compute/submit/forecast.h"
#include "compute/workflow/job_file.h"
#include "compute/workflow/job_names.h"

namespace tierhub::compute {
namespace {

using OrderedJson = nlohmann::ordered_json;

AskExit fail(const Error& error, AskExit exit = AskExit::failed) {
  fmt::print(stderr, "tieragent: {}\n", error.text());
  return exit;
}

void print(const OrderedJson& json) {
  fmt::print("{}\n", json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace));
}

// "diameter=30": the value may have any characters.
Result<ParameterValues> parse_values(const std::vector<std::string>& texts) {
  ParameterValues values;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Error(std::errc::invalid_argument,
                   fmt::format("--set {}: write NAME=VALUE, for example --set diameter=30", text));
    }
    values[text.substr(0, equals)].push_back(text.substr(equals + 1));
  }
  return values;
}

// As the command line has it: relative to where we are.
Result<std::string> read_text(const AskOptions& options) {
  if (options.workflow != "-") {
    const WorkflowLibrary library{shipped_workflows(options.programs_folder),
                                  std::filesystem::current_path().string()};
    return library.read(options.workflow);
  }
  std::string text(std::istreambuf_iterator<char>(std::cin), {});
  if (text.size() <= YamlDocument::kMaxBytes) return text;
  return Error(std::errc::file_too_large, "the workflow is larger than 1 MiB");
}

// The workflow that was asked about, with all values: those of a file that names a workflow, and
// those of the command line.
Result<Job> read_job(const AskOptions& options, const Places& places) {
  TRY_ASSIGN(const ParameterValues given, parse_values(options.values));
  TRY_ASSIGN(const std::string text, read_text(options));
  const Checked<std::optional<WorkflowReference>> reference = read_reference(text);
  Job job{text, {}};
  if (!reference) return to_error(reference.error());
  if (*reference) {
    const WorkflowLibrary library{shipped_workflows(options.programs_folder), places.root};
    TRY_ASSIGN(job.text, library.read((*reference)->workflow));
    job.values = (*reference)->values;
  }
  for (const auto& [name, value] : given) job.values[name] = value;
  return job;
}

struct Tier {
  std::shared_ptr<TierClient> client;  // null: none is used
  Places places;
};

Result<Tier> open(const AskOptions& options, const OpenTierClient& open_tier) {
  if (options.socket.empty()) {
    const std::string root = options.folder.empty()
                                 ? std::filesystem::current_path().string()
                                 : std::filesystem::path(options.folder).parent_path().string();
    return Tier{nullptr, {root, ""}};
  }
  TRY_ASSIGN(std::shared_ptr<TierClient> client, open_tier(options.socket));
  TRY_ASSIGN(const api::Status status, client->status());
  return Tier{std::move(client), {status.mount, status.mount}};
}

// Says everything that is wrong; true if nothing is.
bool is_fine(const CheckedWorkflow& checked, bool json) {
  if (checked.workflow) return true;
  if (json) {
    print(to_json(checked));
  } else {
    fmt::print(stderr, "{}", to_text(checked));
  }
  return false;
}

Result<Forecast> forecast_of(const AskOptions& options, const Tier& tier, const Job& job) {
  // As the agent will set it for the run.
  const auto name = find_user_name(::geteuid());
  if (name && *name) ::setenv("USER", (*name)->c_str(), 1);
  RunnerOptions runner;
  runner.run = "{run}";
  runner.work = "{work}";
  runner.root = tier.places.root;
  runner.socket = options.socket;
  runner.programs_folder = options.programs_folder;
  runner.workers = std::max(1u, std::thread::hardware_concurrency());
  TRY_ASSIGN(const auto plan, RunPlan::make(runner, job, tier.places, {}, {}));
  return make_forecast(*plan, tier.client.get());
}

Result<std::string> jobs_folder(const AskOptions& options, const Tier& tier) {
  if (!options.folder.empty()) return options.folder;
  if (!tier.client) {
    return Error(std::errc::invalid_argument,
                 "name the jobs folder, since there is no tierd to ask: --folder DIR");
  }
  TRY_ASSIGN(const std::vector<api::Agent> agents, tier.client->agents());
  const api::Agent* chosen = api::agent_for(agents, ::geteuid(), host_name());
  if (chosen != nullptr) return chosen->folders.front();
  return Error(std::errc::no_such_device,
               "no agent is running, so nobody would take the job: start tieragent, or name a jobs "
               "folder with --folder DIR");
}

// "nuclei of each image of a pattern": the comment of the first line.
std::string about(const std::string& text) {
  const std::string line = text.substr(0, text.find('\n'));
  const size_t hash = line.find(" # ");
  return hash == std::string::npos ? "" : line.substr(hash + 3);
}

struct Shipped {
  std::string name;
  std::string text;
};

Result<std::vector<Shipped>> shipped(const std::string& folder) {
  std::vector<Shipped> all;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string file = entry.path().filename().string();
    if (!is_workflow_file(file)) continue;
    TRY_ASSIGN(std::string text, read_workflow_file(entry.path().string()));
    all.push_back({entry.path().stem().string(), std::move(text)});
  }
  if (error) return Error(error, fmt::format("the shipped workflows in {}", folder));
  std::sort(all.begin(), all.end(),
            [](const Shipped& a, const Shipped& b) { return a.name < b.name; });
  return all;
}

}  // namespace

AskExit check_command(const AskOptions& options, const OpenTierClient& open_tier) {
  // Without tierd a workflow can be checked all the same.
  const Result<Tier> tier = open(options, open_tier);
  const Places places = tier ? tier->places : Places{std::filesystem::current_path().string(), ""};
  const Result<Job> job = read_job(options, places);
  if (!job) return fail(job.error());
  const CheckedWorkflow checked = check_workflow(job->text, job->values);
  if (options.json) {
    print(to_json(checked));
  } else {
    fmt::print("{}", to_text(checked));
  }
  return checked.workflow ? AskExit::done : AskExit::failed;
}

AskExit plan_command(const AskOptions& options, const OpenTierClient& open_tier) {
  const Result<Tier> tier = open(options, open_tier);
  if (!tier) return fail(tier.error(), AskExit::unreachable);
  const Result<Job> job = read_job(options, tier->places);
  if (!job) return fail(job.error());
  if (!is_fine(check_workflow(job->text, job->values), options.json)) return AskExit::failed;
  const Result<Forecast> forecast = forecast_of(options, *tier, *job);
  if (!forecast && options.json) {
    print({{"errors",
            {{{"line", 0},
              {"column", 0},
              {"message", forecast.error().text()},
              {"hint", ""},
              {"parameter", ""}}}}});
    return AskExit::failed;
  }
  if (!forecast) return fail(forecast.error());
  if (options.json) {
    OrderedJson json = to_json(*forecast);
    json["errors"] = OrderedJson::array();
    print(json);
  } else {
    fmt::print("{}", to_text(*forecast));
  }
  return AskExit::done;
}

AskExit submit_command(const AskOptions& options, const OpenTierClient& open_tier) {
  const Result<Tier> tier = open(options, open_tier);
  if (!tier) return fail(tier.error(), AskExit::unreachable);
  const Result<Job> job = read_job(options, tier->places);
  if (!job) return fail(job.error());
  const CheckedWorkflow checked = check_workflow(job->text, job->values);
  if (!is_fine(checked, options.json)) return AskExit::failed;
  const auto submit = [&]() -> Result<std::string> {
    TRY_ASSIGN(const std::string text, job->values.empty()
                                           ? Result<std::string>(job->text)
                                           : with_values(job->text, checked.values));
    TRY_ASSIGN(const std::string folder, jobs_folder(options, *tier));
    const std::string& wanted = options.name.empty() ? checked.name : options.name;
    return drop_job(folder, make_job_name(wanted, std::random_device()()), text);
  };
  const Result<std::string> name = submit();
  if (!name) return fail(name.error());
  if (options.json) {
    print({{"job", *name}});
  } else {
    fmt::print("{} is in the jobs folder: its run is called {}-…; 'tierctl jobs list' shows it\n",
               *name, *name);
  }
  return AskExit::done;
}

AskExit retry_command(const AskOptions& options, const OpenTierClient& open_tier) {
  const Result<Tier> tier = open(options, open_tier);
  if (!tier) return fail(tier.error(), AskExit::unreachable);
  const std::string& run = options.workflow;
  const auto drop = [&]() -> Result<std::string> {
    std::string folder = options.folder;
    if (folder.empty()) {
      if (!tier->client) return jobs_folder(options, *tier).error();
      TRY_ASSIGN(const std::vector<api::Agent> agents, tier->client->agents());
      TRY_ASSIGN(const api::RunFolder found, api::find_run_folder(agents, run));
      folder = std::filesystem::path(found.path).parent_path().parent_path().string();
    }
    TRY_ASSIGN(const EarlierRun earlier, open_earlier_run(folder, run));
    if (const std::string by = repeated_by(earlier); !by.empty()) {
      return Error(
          std::errc::invalid_argument,
          fmt::format("{} was repeated already: to repeat what failed again, name {}", run, by));
    }
    const std::string name = make_job_name(stem_of_run(run), std::random_device()());
    return drop_job(folder, name, fmt::format("retry_of: {}\n", run));
  };
  const Result<std::string> name = drop();
  if (!name) return fail(name.error());
  if (options.json) {
    print({{"job", *name}});
  } else {
    fmt::print(
        "{} is in the jobs folder: it repeats what failed in {}; 'tierctl jobs list' shows "
        "it\n",
        *name, run);
  }
  return AskExit::done;
}

AskExit list_command(const AskOptions& options) {
  const auto all = shipped(shipped_workflows(options.programs_folder));
  if (!all) return fail(all.error());
  OrderedJson list = OrderedJson::array();
  for (const Shipped& one : *all) {
    const CheckedWorkflow checked = check_workflow(one.text);
    OrderedJson parameters = OrderedJson::array();
    for (const Parameter& parameter : checked.parameters) parameters.push_back(to_json(parameter));
    list.push_back({{"name", one.name},
                    {"about", about(one.text)},
                    {"text", one.text},
                    {"parameters", std::move(parameters)}});
    if (!options.json) fmt::print("{:<22} {}\n", one.name, about(one.text));
  }
  if (options.json) print({{"workflows", std::move(list)}});
  return AskExit::done;
}

}  // namespace tierhub::compute
