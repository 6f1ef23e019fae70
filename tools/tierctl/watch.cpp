// Shows the progress of a run until it has ended.
#include <algorithm>

#include <sys/ioctl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "tools/tierctl/commands.h"
#include "tools/tierctl/human.h"
#include "tools/tierctl/output.h"
#include "tools/tierctl/run_progress.h"
#include "tools/tierctl/waiting.h"

namespace tierhub::tierctl {
namespace {

using StatusJson = nlohmann::json;

constexpr std::chrono::milliseconds kWatchPause{500};
constexpr std::chrono::seconds kPlainEvery{5};

bool goes_on(const api::Run& run) {
  return run.state == "queued" || run.state == "staging" || run.state == "running";
}

StatusJson status_in(const api::Run& run) {
  StatusJson status = StatusJson::parse(run.json, nullptr, false);
  return status.is_object() ? status : StatusJson::object();
}

// The caller's latest that goes on; if none does, the latest.
Result<std::string> latest_run(const Context& context) {
  TRY_ASSIGN(const std::vector<api::Run> runs, context.client.runs());
  const api::Run* best = nullptr;
  for (const api::Run& run : runs) {
    if (run.uid != ::geteuid()) continue;
    if (best == nullptr ||
        std::pair(goes_on(run), run.updated) > std::pair(goes_on(*best), best->updated))
      best = &run;
  }
  if (best != nullptr) return best->run;
  return Error(std::errc::no_such_file_or_directory,
               "you have no run: 'tierctl jobs list' shows those of others");
}

// On a terminal a few lines that are drawn again and again, elsewhere a plain line every five
// seconds.
class Display {
 public:
  void show(const std::string& run, const StatusJson& status, const RunRate& rate,
            const std::string& more) {
    const std::string line = progress_line(status, rate) + more;
    if (!is_terminal_) {
      const SteadyClock::time_point now = SteadyClock::now();
      pending_ = line;
      if (shown_ && now - last_ < kPlainEvery) return;
      print_plain();
      last_ = now;
      return;
    }
    const size_t width = terminal_columns() - 1;
    std::vector<std::string> lines = {printable(run)};
    for (std::string& step : step_lines(status, width)) lines.push_back(std::move(step));
    lines.push_back(line);
    std::string text = drawn_ > 0 ? fmt::format("\033[{}A", drawn_) : "";
    for (const std::string& one : lines) text += "\r\033[K" + one.substr(0, width) + "\n";
    text += "\033[J";
    fmt::print("{}", text);
    std::fflush(stdout);
    drawn_ = lines.size();
  }

  // What was not shown yet.
  void finish() {
    if (!is_terminal_) print_plain();
  }

 private:
  static size_t terminal_columns() {
    winsize size = {};
    const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
    return known ? size.ws_col : 80;
  }

  void print_plain() {
    if (pending_.empty()) return;
    print_line(std::exchange(pending_, {}));
    std::fflush(stdout);
    shown_ = true;
  }

  const bool is_terminal_ = ::isatty(STDOUT_FILENO) != 0;
  bool shown_ = false;
  std::string pending_;
  SteadyClock::time_point last_;
  size_t drawn_ = 0;
};

// Everything is done: 0. Anything else, also a run that is done without what failed: 1.
ExitCode exit_of(const api::Run& run, const StatusJson& status) {
  if (run.state != "done") return ExitCode::failed;
  const auto failed = status.find("tasks_failed");
  const bool any_failed = failed != status.end() && failed->is_number() && *failed != 0;
  return any_failed ? ExitCode::failed : ExitCode::done;
}

}  // namespace

Result<ExitCode> watch_job(const Context& context, const std::string& name) {
  std::string wanted = name;
  if (wanted.empty()) {
    TRY_ASSIGN(wanted, latest_run(context));
  }
  Interruptible interruptible;
  std::optional<Display> display;
  if (context.format == Format::text) display.emplace();
  RunRate rate;
  for (;;) {
    TRY_ASSIGN(const api::Run run, context.client.run(wanted));
    const StatusJson status = status_in(run);
    const auto count = [&](const char* key) {
      const auto found = status.find(key);
      return found != status.end() && found->is_number() ? found->get<double>() : 0.0;
    };
    rate.add(SteadyClock::now(), count("tasks_done"), count("bytes_staged"));
    if (display) {
      const std::string gone =
          run.agent_gone ? "; its agent has been gone since " + human_time(*run.agent_gone) : "";
      display->show(wanted, status, rate, gone);
    }
    if (!goes_on(run)) {
      if (display) {
        display->finish();
        const auto error = status.find("error");
        if (error != status.end() && error->is_string() && !error->get<std::string>().empty())
          say(printable(error->get<std::string>()));
      } else {
        print_line(status.dump(2, ' ', false, StatusJson::error_handler_t::replace));
      }
      return exit_of(run, status);
    }
    if (interruptible.pause(kWatchPause) == Interruptible::Pause::interrupted) {
      if (display) display->finish();
      return ExitCode::interrupted;
    }
  }
}

}  // namespace tierhub::tierctl
