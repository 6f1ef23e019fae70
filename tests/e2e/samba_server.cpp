#include "tests/e2e/samba_server.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>
#include <pwd.h>

#include "common/unique_fd.h"
#include "tests/support/tier_fixture.h"
#include "tests/support/tree.h"

namespace tierhub::test {
namespace {

constexpr const char* kPassword = "secret";
constexpr auto kTortureLimit = std::chrono::seconds(150);

// The lines of a section of docs/SAMBA.md.
std::vector<std::string> documented(const std::string& section) {
  std::ifstream document(TIERHUB_SOURCE_DIR "/docs/SAMBA.md");
  std::vector<std::string> lines;
  bool inside = false;
  for (std::string line; std::getline(document, line);) {
    if (line.starts_with("[") || line.starts_with("```")) {
      inside = line == "[" + section + "]";
    } else if (inside) {
      lines.push_back(line);
    }
  }
  if (lines.empty()) throw std::runtime_error("docs/SAMBA.md has no section " + section);
  return lines;
}

// How each test ended, from smbtorture's output: "success: NAME" or "failure: NAME [".
std::map<std::string, std::string> outcomes(const std::string& output) {
  std::map<std::string, std::string> result;
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    for (const std::string kind : {"success", "failure", "error", "skip"}) {
      if (!line.starts_with(kind + ": ")) continue;
      std::string name = line.substr(kind.size() + 2);
      if (name.ends_with(" [")) name.resize(name.size() - 2);
      result[name] = kind;
    }
  }
  return result;
}

}  // namespace

SambaServer::SambaServer(std::string folder) : folder_(std::move(folder)), port_(free_port()) {
  text_ = "[global]\n";
  for (const std::string& line : documented("global")) text_ += line + "\n";
  text_ += fmt::format(
      "server role = standalone server\nsmb ports = {}\ninterfaces = lo\n"
      "bind interfaces only = yes\ndisable netbios = yes\nload printers = no\n"
      "passdb backend = tdbsam:{}/passdb.tdb\nlog file = {}/smbd.log\n",
      port_, folder_, folder_);
  for (const char* place : {"private dir", "lock directory", "state directory", "cache directory",
                            "pid directory", "ncalrpc dir"})
    text_ += fmt::format("{} = {}\n", place, folder_);
}

SambaServer::~SambaServer() {
  if (smbd_ <= 0) return;
  ::kill(-smbd_, SIGTERM);  // and those that serve a connection
  if (wait_for_exit(smbd_, std::chrono::seconds(10)) < 0) {
    ::kill(-smbd_, SIGKILL);
    wait_for_exit(smbd_, std::chrono::seconds(10));
  }
}

void SambaServer::add_share(const std::string& name, const std::string& section,
                            const std::string& path) {
  text_ += "[" + name + "]\n";
  for (const std::string& line : documented(section)) {
    const bool is_path = line.find(" path = ") != std::string::npos;
    text_ += (is_path ? "path = " + path : line) + "\n";
  }
  const passwd* const user = ::getpwnam(kUser);
  if (user == nullptr) throw std::runtime_error(fmt::format("there is no user {}", kUser));
  check(::chown(path.c_str(), user->pw_uid, user->pw_gid), "chown " + path);
}

void SambaServer::start() {
  write_file(settings(), text_);
  const auto added = run_command({"sh", "-c",
                                  fmt::format("printf '{0}\\n{0}\\n' | smbpasswd -c {1} -a -s {2}",
                                              kPassword, settings(), kUser)});
  if (added.exit_code != 0) throw std::runtime_error(added.text + added.err);
  const UniqueFd log(::open((folder_ + "/out").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  check(log.get(), "open the log of smbd");
  smbd_ = start_program({"smbd", "--foreground", "--no-process-group", "-s", settings()}, {},
                        log.get());
  eventually("smbd answers", [&] {
    return run_command({"smbclient", "-s", settings(), "-p", std::to_string(port_), "-U",
                        fmt::format("{}%{}", kUser, kPassword), "-L", "127.0.0.1"})
               .exit_code == 0;
  });
}

CommandResult SambaServer::client(const std::string& share, const std::string& commands) const {
  return run_command({"smbclient", "-s", settings(), "-p", std::to_string(port_), "-U",
                      fmt::format("{}%{}", kUser, kPassword), address(share), "-c", commands});
}

std::map<std::string, std::string> SambaServer::torture(const std::string& share,
                                                        const std::string& test,
                                                        const std::string& local_folder) const {
  const auto ran = run_command({"smbtorture", "-s", settings(), "-p", std::to_string(port_), "-U",
                                fmt::format("{}%{}", kUser, kPassword),
                                "--option=torture:localdir=" + local_folder, address(share), test},
                               {}, kTortureLimit);
  auto result = outcomes(ran.out);
  if (result.empty()) throw std::runtime_error(ran.text + ran.out + ran.err);
  return result;
}

}  // namespace tierhub::test
