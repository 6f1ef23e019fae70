// tierweb: the browser hub. What people start serves; with --worker it is started by itself, and
// answers for one person.
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <pwd.h>

#include "api/client.h"
#include "common/log.h"
#include "common/run_as.h"
#include "hub/front/workers.h"
#include "hub/here.h"
#include "hub/server.h"
#include "hub/worker/worker.h"

namespace tierhub::hub {
namespace {

enum ExitCode { kDone = 0, kFailed = 1, kUsage = 2 };

struct CommandLine {
  HereOptions here;
  ServerOptions server;
  WorkerOptions worker;
  std::string page;
  std::string socket;
  std::string root;
  uint64_t pyramid_bytes = uint64_t{8} << 30;
  std::string log_level = "info";
  bool is_here = false;
  bool is_worker = false;
  bool is_front = false;
  bool allow_root = false;
};

// Beside the program, where an installation puts it.
std::string default_page() {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  return (program.parent_path().parent_path() / "share/tierhub/web").string();
}

void declare(CLI::App& app, CommandLine& line) {
  app.set_version_flag("--version", std::string("tierweb ") + TIERHUB_VERSION);
  app.footer(
      "Examples:\n"
      "  tierweb --here                 the data of tierd, in your browser\n"
      "  tierweb --here --root ~/scans  the images of a folder, without TierHub\n"
      "  tierweb --listen 127.0.0.1:8443 --name hub.example.org --trusted-proxy 127.0.0.1\n"
      "                                 as root: everybody signs in with their account; a\n"
      "                                 reverse proxy on this machine does https");
  app.add_flag("--here", line.is_here,
               "serve you alone, on this machine: prints a link that works once");
  app.add_option("--port", line.here.port, "with --here: the port (default: any that is free)");
  app.add_option("--root", line.root, "with --here: show this folder instead of TierHub's mount");
  app.add_flag("--allow-root", line.allow_root,
               "with --here: serve root. Without it, root serves the user who called sudo");
  app.add_option("--listen", line.server.listen, "ADDRESS:PORT, or unix:/PATH")
      ->capture_default_str();
  app.add_option("--name", line.server.names,
                 "what the hub is called in addresses: hub.example.org (may be repeated)");
  app.add_option("--trusted-proxy", line.server.trusted_proxies,
                 "the address of a reverse proxy that does https, or 'unix' for one that uses the "
                 "unix socket (may be repeated)");
  app.add_option("--user", line.server.front_user, "whom the part that faces the network runs as")
      ->capture_default_str();
  app.add_option("--runtime-folder", line.server.runtime_folder, "for its sockets")
      ->capture_default_str();
  app.add_option("--first-uid", line.server.pam.first_uid,
                 "accounts below this are the system's, and cannot sign in")
      ->capture_default_str();
  app.add_option("--pam-folder", line.server.pam.folder,
                 "where the PAM service tierweb is described (default: /etc/pam.d)");
  app.add_option("--socket", line.socket,
                 "tierd's socket (default: TIERHUB_SOCKET, or /run/tierhub/tierd.sock)");
  app.add_option("--page", line.page, "the folder with the files of the page")
      ->capture_default_str();
  app.add_option("--pyramids", line.pyramid_bytes,
                 "how much room the small levels of images that have none may take in each "
                 "person's cache, for example 8GiB; 0: none are built (default: 8GiB)")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--log-level", line.log_level, "debug, info, warning or error")
      ->capture_default_str();
  // What tierweb passes to its own processes; no part of the interface.
  app.add_flag("--worker", line.is_worker)->group("");
  app.add_flag("--front", line.is_front)->group("");
  app.add_option("--front-uid", line.worker.place.front_uid)->group("");
}

// Root becomes the user who called sudo: the page must not have root's rights.
Result<void> leave_root(const CommandLine& line) {
  if (::geteuid() != 0 || line.allow_root) return {};
  const char* user = std::getenv("SUDO_USER");
  const passwd* entry = user != nullptr ? ::getpwnam(user) : nullptr;
  if (entry == nullptr || entry->pw_uid == 0) {
    return Error(std::errc::operation_not_permitted,
                 "tierweb does not serve root: run it as yourself, with sudo, or give "
                 "--allow-root");
  }
  TRY_ASSIGN(const Account account, find_account(entry->pw_uid, entry->pw_gid));
  TRY(become(account));
  ::setenv("HOME", account.home.c_str(), 1);
  return {};
}

std::string absolute(const std::string& path) { return std::filesystem::absolute(path); }

Result<void> serve_one(CommandLine& line) {
  TRY(leave_root(line));
  if (line.root.empty()) {
    line.here.tierd_socket = absolute(api::default_socket_path(line.socket));
  } else {
    line.here.root = absolute(line.root);
  }
  return serve_here(line.here);
}

Result<void> serve_all(CommandLine& line) {
  if (::geteuid() != 0) {
    return Error(std::errc::operation_not_permitted,
                 "only root can let everybody sign in: to see your own data, tierweb --here");
  }
  line.server.tierd_socket = absolute(api::default_socket_path(line.socket));
  return serve_everybody(line.server);
}

Result<void> serve(CommandLine& line) {
  line.here.page = line.server.page = absolute(line.page);
  line.here.pyramid_bytes = line.server.pyramid_bytes = line.pyramid_bytes;
  if (line.is_front) return run_front(line.server);
  return line.is_here ? serve_one(line) : serve_all(line);
}

Result<void> work(CommandLine& line) {
  line.worker.listener = UniqueFd(kWorkerSocket);
  line.worker.place.tierd_socket = line.socket;
  line.worker.place.root = line.root;
  line.worker.place.pyramid_bytes = line.pyramid_bytes;
  return run_worker(std::move(line.worker));
}

int run(int argc, char** argv) {
  CLI::App app("Shows TierHub's data in a browser.", "tierweb");
  CommandLine line;
  line.page = default_page();
  declare(app, line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? kDone : kUsage;
  }
  const Result<log::Level> level = log::parse_level(line.log_level);
  if (!level) {
    fmt::print(stderr, "tierweb: {}\n", level.error().text());
    return kUsage;
  }
  log::set_level(*level);
  std::signal(SIGPIPE, SIG_IGN);
  const Result<void> done = line.is_worker ? work(line) : serve(line);
  if (done) return kDone;
  fmt::print(stderr, "tierweb: {}\n", done.error().text());
  return done.error().is(std::errc::invalid_argument) ? kUsage : kFailed;
}

}  // namespace
}  // namespace tierhub::hub

int main(int argc, char** argv) { return tierhub::hub::run(argc, argv); }
