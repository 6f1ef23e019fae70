#include "hub/server.h"

#include <charconv>
#include <csignal>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <pwd.h>

#include "common/core_files.h"
#include "common/frame_socket.h"
#include "common/log.h"
#include "common/open_files.h"
#include "common/posix.h"
#include "common/run_as.h"
#include "common/signals.h"
#include "common/spawn.h"
#include "http/server.h"
#include "http/tcp_socket.h"
#include "http/unix_socket.h"
#include "hub/front/assets.h"
#include "hub/front/front.h"
#include "hub/front/login_client.h"
#include "hub/login/login.h"

namespace tierhub::hub {
namespace {

constexpr int kListener = 3;
constexpr int kLogin = 4;
constexpr std::string_view kUnix = "unix:";

// What a request to that place has as its Host.
std::string place_of(const std::string& listen) {
  return listen.starts_with(kUnix) ? "localhost" : listen;
}

Result<UniqueFd> listen_at(const std::string& listen) {
  const size_t colon = listen.rfind(':');
  uint16_t port = 0;
  const char* end = listen.data() + listen.size();
  const auto parsed = std::from_chars(listen.data() + colon + 1, end, port);
  if (colon == std::string::npos || parsed.ptr != end || parsed.ec != std::errc()) {
    return Error(std::errc::invalid_argument,
                 fmt::format("{} is no address with a port, as 127.0.0.1:8443 is", listen));
  }
  std::string address = listen.substr(0, colon);
  if (address.starts_with('[') && address.ends_with(']'))
    address = address.substr(1, address.size() - 2);
  TRY_ASSIGN(http::TcpListener listener, http::listen_tcp(address, port));
  return std::move(listener.fd);
}

Result<Account> account_of(const std::string& user) {
  const passwd* entry = ::getpwnam(user.c_str());
  if (entry == nullptr || entry->pw_uid == 0) {
    return Error(std::errc::invalid_argument,
                 fmt::format("there is no user {} for the part that faces the network: make one "
                             "(systemd-sysusers does), or name another with --user",
                             user));
  }
  return find_account(entry->pw_uid, entry->pw_gid);
}

Result<void> make_runtime_folder(const std::string& path, const Account& owner) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return Error::from_errno(errno, "make the folder " + path);
  // Where everybody may make files, somebody else may have made it, or a link to another folder.
  TRY_ASSIGN(const UniqueFd folder,
             posix::open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  TRY_ASSIGN(const struct stat st, posix::stat_fd(folder.get()));
  if (st.st_uid != 0 && st.st_uid != owner.uid) {
    return Error(std::errc::permission_denied,
                 fmt::format("the folder {} belongs to the user {}: remove it, or name another one "
                             "with --runtime-folder",
                             path, st.st_uid));
  }
  if (::fchown(folder.get(), owner.uid, owner.gid) != 0 || ::fchmod(folder.get(), 0700) != 0)
    return Error::from_errno(errno, "give the folder " + path + " to " + owner.name);
  return {};
}

std::vector<std::string> front_arguments(const ServerOptions& options) {
  std::vector<std::string> arguments = {
      "tierweb",  "--front",      "--page",           options.page,
      "--listen", options.listen, "--runtime-folder", options.runtime_folder};
  for (const std::string& name : options.names) arguments.insert(arguments.end(), {"--name", name});
  for (const std::string& proxy : options.trusted_proxies)
    arguments.insert(arguments.end(), {"--trusted-proxy", proxy});
  return arguments;
}

}  // namespace

Result<void> serve_everybody(const ServerOptions& options) {
  TRY(forbid_core_files());
  TRY(Assets::load(options.page));  // the error is for the administrator
  TRY_ASSIGN(const Account front, account_of(options.front_user));
  TRY(make_runtime_folder(options.runtime_folder, front));
  UniqueFd listener;
  std::optional<http::UnixListener> unix_listener;
  if (options.listen.starts_with(kUnix)) {
    TRY_ASSIGN(auto opened, http::UnixListener::open(options.listen.substr(kUnix.size()), 0666));
    unix_listener.emplace(std::move(opened));
  } else {
    TRY_ASSIGN(listener, listen_at(options.listen));
  }
  TRY_ASSIGN(auto sockets, make_socket_pair());
  SpawnPlan plan;
  plan.program = options.program;
  plan.arguments = front_arguments(options);
  plan.descriptors = {SpawnPlan::kEmpty, STDERR_FILENO, STDERR_FILENO,
                      unix_listener ? unix_listener->fd() : listener.get(), sockets.second.get()};
  plan.environment = environment_of(front);
  plan.folder = "/";
  plan.group = SpawnPlan::Group::own;
  plan.death_signal = SIGTERM;
  plan.account = front;
  TRY(spawn(plan));
  sockets.second.reset();
  listener.reset();
  LoginOptions login;
  login.front = std::move(sockets.first);
  login.pam = options.pam;
  login.program = options.program;
  login.worker_arguments = {"tierweb",     "--worker",
                            "--front-uid", std::to_string(front.uid),
                            "--pyramids",  std::to_string(options.pyramid_bytes),
                            "--socket",    options.tierd_socket};
  log::info("tierweb serves", {{"at", options.listen}});
  return serve_logins(std::move(login));
}

Result<void> run_front(const ServerOptions& options) {
  TRY(forbid_core_files());
  allow_many_descriptors();  // each connection that is passed on is two
  const sigset_t signals = block_signals({SIGTERM, SIGINT});
  TRY_ASSIGN(const Assets assets, Assets::load(options.page));
  LoginClient login{UniqueFd(kLogin)};
  Workers workers(options.runtime_folder, login);
  Front::Options front_options;
  front_options.hosts.insert(options.names.begin(), options.names.end());
  front_options.hosts.insert(place_of(options.listen));
  front_options.trusted_proxies.insert(options.trusted_proxies.begin(),
                                       options.trusted_proxies.end());
  Front front(std::move(front_options), assets, workers, &login);
  http::Server::Options serving;
  serving.name = "tierweb";
  serving.pool_threads = 32;  // most of which wait: for PAM, and for workers that start
  serving.max_connections = 2'000;
  serving.max_connections_per_user = 64;
  // Everybody behind a proxy has its address.
  serving.proxies.insert(options.trusted_proxies.begin(), options.trusted_proxies.end());
  http::Server server(front, serving);
  const bool is_unix = options.listen.starts_with(kUnix);
  is_unix ? server.adopt_unix(UniqueFd(kListener)) : server.adopt_tcp(UniqueFd(kListener));
  server.start();
  constexpr timespec kTick = {0, 200'000'000};
  while (!login.is_gone() && ::sigtimedwait(&signals, nullptr, &kTick) < 0) continue;
  server.stop();
  return {};
}

}  // namespace tierhub::hub
