// tierd: the storage daemon. It runs as two processes: the keeper, and its child that does the work
// (`tierd ... --kept`). `tierd --archive-io` is the helper of that, the only process that calls the
// archive.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <sys/stat.h>

#include <CLI/CLI.hpp>

#include "common/fault_points.h"
#include "common/log.h"
#include "daemon/config.h"
#include "daemon/daemon.h"
#include "daemon/keeper.h"
#include "daemon/keeper_link.h"
#include "storage/helper/helper.h"

namespace tierhub {
namespace {

constexpr const char* kTakeOverArgument = "--take-over";
constexpr const char* kExamples = R"(
Example: a slow archive and a folder on the SSD become one tree under /mnt/tier.
  tierd --archive /srv/archive --scratch /ssd/tierhub --mount /mnt/tier
Then, in another terminal:
  tierctl status
  tierctl prefetch --wait /mnt/tier/experiment7

tierd stays in the foreground and logs to standard error. SIGTERM or Ctrl-C unmounts and ends it.)";

// What the command line says; the settings file may say more.
struct Arguments {
  std::vector<std::string> all;
  std::string config_file;
  std::string archive;
  std::string scratch;
  std::string mount;
  std::string state;
  std::string socket;
  std::string kept;  // not empty: this is the child of a keeper
  bool devices = false;
  bool set_user_id = false;
  bool take_over = false;
  bool foreground = true;
  bool list_faults = false;
};

Result<Config> read_settings(const Arguments& arguments) {
  Config config;
  if (!arguments.config_file.empty()) TRY(config.read_file(arguments.config_file));
  for (auto [given, target] :
       {std::pair(&arguments.archive, &config.archive),
        std::pair(&arguments.scratch, &config.scratch), std::pair(&arguments.mount, &config.mount),
        std::pair(&arguments.state, &config.state), std::pair(&arguments.socket, &config.socket)}) {
    if (!given->empty()) *target = *given;
  }
  if (arguments.devices) config.devices = true;
  if (arguments.set_user_id) config.set_user_id = true;
  if (arguments.take_over) config.take_over = TakeOver::replace;
  TRY(config.complete());
  return config;
}

// These are taken by one thread; the others never see a signal.
sigset_t awaited_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  return set;
}

void prepare_signals() {
  const sigset_t set = awaited_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  // Sent when someone opens an object that we hold a lease on.
  std::signal(SIGIO, SIG_IGN);
}

int fail(const Error& error) {
  std::cerr << "tierd: " << error.text() << "\n";
  return 1;
}

// SIGHUP: the next tierd must be able to start, and to go on with what is open in this one.
Result<void> check_can_change_to(const Config& now, const Arguments& arguments) {
  TRY_ASSIGN(const Config next, read_settings(arguments));
  if (next.archive == now.archive && next.scratch == now.scratch && next.mount == now.mount &&
      next.state == now.state)
    return {};
  return Error(std::errc::invalid_argument,
               "changing a folder needs a stop and a start: archive, scratch, state and mount stay "
               "the same while files are open");
}

// Takes signals until it is told to stop.
class SignalThread {
 public:
  SignalThread(const Config& config, const Arguments& arguments)
      : config_(config), arguments_(arguments), thread_([this](auto stop) { run(stop); }) {}

  bool stopping() const { return stopping_; }
  // What came before is made up for.
  void watch(Daemon& daemon) {
    daemon_ = &daemon;
    if (stopping_) daemon.stop();
  }
  void end() {
    thread_.request_stop();
    thread_.join();
  }

 private:
  void run(const std::stop_token& stop) {
    const sigset_t set = awaited_signals();
    const timespec pause{0, 100'000'000};
    while (!stop.stop_requested()) {
      const int signal = sigtimedwait(&set, nullptr, &pause);
      if (signal < 0) continue;
      if (signal == SIGHUP) {
        hand_over();
        continue;
      }
      stopping_ = true;
      if (Daemon* daemon = daemon_) daemon->stop();
    }
  }

  void hand_over() {
    Daemon* const daemon = daemon_;
    if (daemon == nullptr) return;
    if (auto possible = check_can_change_to(config_, arguments_); !possible) {
      log::error("keeping the old settings", {{"error", possible.error().text()}});
      return;
    }
    log::info("handing over to the next tierd");
    if (!daemon->hand_over())
      log::warning("there is no keeper to start the next tierd: continuing");
  }

  const Config& config_;
  const Arguments& arguments_;
  std::atomic<bool> stopping_{false};
  std::atomic<Daemon*> daemon_{nullptr};
  std::jthread thread_;
};

int run(const Config& config, const Arguments& arguments) {
  prepare_signals();
  ::umask(0);
  if (const auto unknown = arm_fault_point_from_environment()) {
    std::cerr << "tierd: TIERHUB_FAULT_POINT names no fault point: " << *unknown << "\n";
    return 2;
  }
  std::optional<KeeperLink> keeper;
  if (!arguments.kept.empty()) {
    auto inherited = KeeperLink::inherit(arguments.kept);
    if (!inherited) return fail(inherited.error());
    keeper = std::move(*inherited);
  }
  SignalThread signals(config, arguments);
  auto daemon = Daemon::start(config, "/proc/self/exe", keeper ? &*keeper : nullptr,
                              [&] { return signals.stopping(); });
  if (!daemon) return fail(daemon.error());
  signals.watch(**daemon);
  const auto served = (*daemon)->serve();
  signals.end();
  if (!served) return fail(served.error());
  log::info("stopped");
  return 0;
}

int run_kept(const Config& config, const Arguments& arguments) {
  sigset_t set = awaited_signals();
  sigaddset(&set, SIGCHLD);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  KeeperOptions options;
  std::error_code error;
  options.program = std::filesystem::read_symlink("/proc/self/exe", error).string();
  if (error) return fail(Error(error, "find tierd's own program file"));
  options.arguments = arguments.all;
  options.first_only = kTakeOverArgument;
  options.restarts_max = static_cast<unsigned>(config.restarts_max);
  options.stop_limit = std::chrono::milliseconds(static_cast<int64_t>(config.stop_limit_s * 1000));
  return run_keeper(options);
}

int list_fault_points() {
  for (const std::string_view name : kFaultPointNames) std::cout << name << "\n";
  return 0;
}

int main_program(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "--archive-io")
    return archive_helper_main(argc, argv);
  if (argc == 3 && std::string_view(argv[1]) == kCheckArchive) return check_archive_main(argv[2]);

  CLI::App app(
      "TierHub's storage daemon: one mounted tree over a slow archive and a fast scratch tier.",
      "tierd");
  app.footer(kExamples);
  Arguments arguments;
  arguments.all.assign(argv, argv + argc);
  app.add_option("--archive", arguments.archive,
                 "The slow tier: an existing folder, read and written as a plain tree")
      ->type_name("DIR");
  app.add_option("--scratch", arguments.scratch,
                 "The fast tier: an existing folder on the SSD that holds nothing else")
      ->type_name("DIR");
  app.add_option("--mount", arguments.mount,
                 "The mount point, where users see both tiers as one: an existing empty folder")
      ->type_name("DIR");
  app.add_option("--state", arguments.state, "The catalog [default: the folder `state` in scratch]")
      ->type_name("DIR");
  app.add_option("--socket", arguments.socket,
                 "Where tierctl reaches tierd [default: /run/tierhub/tierd.sock]")
      ->envname("TIERHUB_SOCKET")
      ->type_name("PATH");
  app.add_option("--config", arguments.config_file,
                 "Settings in YAML; etc/tierhub.yaml documents them all")
      ->type_name("FILE.yaml");
  app.add_flag("--dev", arguments.devices, "Device nodes in the mount work (default: they don't)");
  app.add_flag("--suid", arguments.set_user_id,
               "Set-user-id programs in the mount run as their owner (default: as their caller)");
  app.add_flag(
      kTakeOverArgument, arguments.take_over,
      "Take over an archive that another tierd claims: only if you know that tierd to be dead");
  app.add_flag("--foreground", arguments.foreground, "Stay in the foreground (tierd always does)");
  app.add_flag("--list-fault-points", arguments.list_faults,
               "Print the names of the crash tests' fault points and exit")
      ->group("");
  app.add_option(kKeptArgument, arguments.kept, "This is the child of a keeper")->group("");
  app.set_version_flag("--version", std::string("tierd ") + TIERHUB_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  if (arguments.list_faults) return list_fault_points();
  const auto config = read_settings(arguments);
  if (!config) return fail(config.error());
  log::set_level(config->log_level);
  if (config->keeper && arguments.kept.empty()) return run_kept(*config, arguments);
  return run(*config, arguments);
}

}  // namespace
}  // namespace tierhub

int main(int argc, char** argv) { return tierhub::main_program(argc, argv); }
