#include "hub/here.h"

#include <csignal>
#include <filesystem>

#include <unistd.h>

#include <fmt/format.h>

#include "common/core_files.h"
#include "common/run_as.h"
#include "common/signals.h"
#include "http/tcp_socket.h"
#include "hub/front/assets.h"
#include "hub/front/direct_starter.h"
#include "hub/front/front.h"
#include "hub/front/secret.h"
#include "hub/front/workers.h"

namespace tierhub::hub {
namespace {

constexpr const char* kAddress = "127.0.0.1";

// A new folder that only this user may enter; it goes with the object.
class PrivateFolder {
 public:
  static Result<PrivateFolder> make() {
    std::string path = std::filesystem::temp_directory_path() / "tierweb-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) return Error::from_errno(errno, "make a folder " + path);
    return PrivateFolder(std::move(path));
  }
  PrivateFolder(PrivateFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  PrivateFolder& operator=(PrivateFolder&&) = delete;
  ~PrivateFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  explicit PrivateFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

std::vector<std::string> worker_arguments(const HereOptions& options) {
  std::vector<std::string> arguments = {"tierweb",     "--worker",
                                        "--front-uid", std::to_string(::geteuid()),
                                        "--pyramids",  std::to_string(options.pyramid_bytes)};
  if (options.tierd_socket.empty()) {
    arguments.insert(arguments.end(), {"--root", options.root});
  } else {
    arguments.insert(arguments.end(), {"--socket", options.tierd_socket});
  }
  return arguments;
}

}  // namespace

Result<void> serve_here(const HereOptions& options) {
  TRY(forbid_core_files());
  const sigset_t signals = block_signals({SIGTERM, SIGINT});
  TRY_ASSIGN(const Assets assets, Assets::load(options.page));
  TRY_ASSIGN(const PrivateFolder folder, PrivateFolder::make());
  TRY_ASSIGN(const auto name, find_user_name(::geteuid()));
  DirectStarter starter(options.program, worker_arguments(options));
  Workers workers(folder.path(), starter);
  TRY_ASSIGN(http::TcpListener listener, http::listen_tcp(kAddress, options.port));
  Front::Options front_options;
  for (const char* host : {"127.0.0.1", "localhost"})
    front_options.hosts.insert(fmt::format("{}:{}", host, listener.port));
  front_options.cookie = fmt::format("tierweb-{}", listener.port);
  Front front(std::move(front_options), assets, workers, nullptr);
  const std::string token = make_secret();
  front.set_one_time_token(token, Person{::geteuid(), name.value_or("")});

  http::Server::Options serving;
  serving.name = "tierweb";
  http::Server server(front, serving);
  server.adopt_tcp(std::move(listener.fd));
  server.start();
  fmt::print("http://{}:{}/login?token={}\n", kAddress, listener.port, token);
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  server.stop();
  return {};
}

}  // namespace tierhub::hub
