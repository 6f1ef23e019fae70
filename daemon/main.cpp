// tierd: the storage daemon. `tierd --archive-io` is its helper, the only process that calls the
// archive.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <thread>

#include <sys/stat.h>

#include <CLI/CLI.hpp>

#include "common/fault_points.h"
#include "common/log.h"
#include "daemon/config.h"
#include "daemon/tier.h"
#include "storage/archive_helper.h"

namespace tierhub {
namespace {

constexpr const char* kExamples = R"(
Example: a slow archive and a folder on the SSD become one tree under /mnt/tier.
  tierd --archive /srv/archive --scratch /ssd/tierhub --mount /mnt/tier
Then, in another terminal:
  tierctl status
  tierctl prefetch --wait /mnt/tier/experiment7

tierd stays in the foreground and logs to standard error. SIGTERM or Ctrl-C unmounts and ends it.)";

// SIGTERM and SIGINT are taken by one thread; the others never see a signal.
sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

void prepare_signals() {
  const sigset_t set = stop_signals();
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

int run(const Config& config) {
  prepare_signals();
  ::umask(0);
  if (const auto unknown = arm_fault_point_from_environment()) {
    std::cerr << "tierd: TIERHUB_FAULT_POINT names no fault point: " << *unknown << "\n";
    return 2;
  }
  std::atomic<bool> stopping{false};
  std::atomic<Tier*> running{nullptr};
  std::jthread signals([&](const std::stop_token& stop) {
    const sigset_t set = stop_signals();
    const timespec pause{0, 100'000'000};
    while (!stop.stop_requested()) {
      if (sigtimedwait(&set, nullptr, &pause) < 0) continue;
      stopping = true;
      if (Tier* tier = running) tier->stop();
    }
  });
  auto tier = Tier::start(config, "/proc/self/exe", [&] { return stopping.load(); });
  if (!tier) return fail(tier.error());
  running = tier->get();
  if (stopping) (*tier)->stop();
  const auto served = (*tier)->serve();
  signals.request_stop();
  signals.join();
  if (!served) return fail(served.error());
  log::info("stopped");
  return 0;
}

int list_fault_points() {
  for (const std::string_view name : kFaultPointNames) std::cout << name << "\n";
  return 0;
}

int main_program(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "--archive-io")
    return archive_helper_main(argc, argv);

  CLI::App app(
      "TierHub's storage daemon: one mounted tree over a slow archive and a fast scratch tier.",
      "tierd");
  app.footer(kExamples);
  Config config;
  std::string config_file;
  std::string archive;
  std::string scratch;
  std::string mount;
  std::string state;
  std::string socket;
  bool foreground = true;
  bool list_faults = false;
  app.add_option("--archive", archive,
                 "The slow tier: an existing folder, read and written as a plain tree")
      ->type_name("DIR");
  app.add_option("--scratch", scratch,
                 "The fast tier: an existing folder on the SSD that holds nothing else")
      ->type_name("DIR");
  app.add_option("--mount", mount, "Where users see both as one: an existing empty folder")
      ->type_name("DIR");
  app.add_option("--state", state, "The catalog [default: the folder `state` in scratch]")
      ->type_name("DIR");
  app.add_option("--socket", socket,
                 "Where tierctl reaches tierd [default: /run/tierhub/tierd.sock]")
      ->envname("TIERHUB_SOCKET")
      ->type_name("PATH");
  app.add_option("--config", config_file, "Settings in YAML; etc/tierhub.yaml documents them all")
      ->type_name("FILE.yaml");
  app.add_flag("--foreground", foreground, "Stay in the foreground (what tierd always does)");
  app.add_flag("--list-fault-points", list_faults,
               "Print the names of the crash tests' fault points and exit")
      ->group("");
  app.set_version_flag("--version", std::string("tierd ") + TIERHUB_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  if (list_faults) return list_fault_points();
  if (!config_file.empty()) {
    if (auto read = config.read_file(config_file); !read) return fail(read.error());
  }
  for (auto [given, target] :
       {std::pair(&archive, &config.archive), std::pair(&scratch, &config.scratch),
        std::pair(&mount, &config.mount), std::pair(&state, &config.state),
        std::pair(&socket, &config.socket)}) {
    if (!given->empty()) *target = *given;
  }
  if (auto complete = config.complete(); !complete) return fail(complete.error());
  log::set_level(config.log_level);
  return run(config);
}

}  // namespace
}  // namespace tierhub

int main(int argc, char** argv) { return tierhub::main_program(argc, argv); }
