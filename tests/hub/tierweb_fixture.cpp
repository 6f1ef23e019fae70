#include "tests/hub/tierweb_fixture.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/tcp_socket.h"

namespace tierhub::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto kForAll = static_cast<fs::perms>(0755);

std::string line_of(const std::string& text, const std::string& begin) {
  const size_t at = text.find(begin);
  return at == std::string::npos ? "" : text.substr(at, text.find('\n', at) - at);
}

}  // namespace

std::string process_status(pid_t pid, const std::string& name) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(name + ":\t")) continue;
    return line.substr(name.size() + 2);
  }
  return "";
}

void TierwebTest::SetUp() {
  fs::permissions(place_.path(), kForAll);
  page_ = place_ / "page";
  fs::create_directories(page_);
  std::ofstream(page_ + "/index.html") << "<!doctype html><title>TierHub</title>";
  tier.start();
  for (fs::path folder = tier.mount; folder != "/tmp" && folder.has_relative_path();
       folder = folder.parent_path()) {
    std::error_code ignored;
    fs::permissions(folder, static_cast<fs::perms>(0711), fs::perm_options::add, ignored);
  }
}

void TierwebTest::TearDown() {
  if (tierweb_ > 0) stop_tierweb();
  if (HasFailure()) std::cerr << printed();
  TierTest::TearDown();
}

std::string TierwebTest::printed() const {
  std::ifstream file(place_ / "tierweb.log");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

void TierwebTest::start_tierweb(std::vector<std::string> arguments,
                                const Environment& environment) {
  const UniqueFd log(::open((place_ / "tierweb.log").c_str(),
                            O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
  std::vector<std::string> argv = {program("tierweb"), "--page", page_};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  tierweb_ = start_program(argv, environment, log.get());
}

std::string TierwebTest::start_and_print_link(const Environment& environment,
                                              const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {"--here", "--socket", tier.client().socket_path()};
  arguments.insert(arguments.end(), more.begin(), more.end());
  if (environment.empty()) arguments.push_back("--allow-root");
  start_tierweb(arguments, environment);
  const std::string begin = "http://127.0.0.1:";
  eventually("tierweb prints its link",
             [&] { return line_of(printed(), begin).find("token=") != std::string::npos; });
  return line_of(printed(), begin);
}

Browser TierwebTest::start_here(const Environment& environment) {
  const std::string link = start_and_print_link(environment);
  const std::string place = link.substr(std::string_view("http://127.0.0.1:").size());
  Browser browser(static_cast<uint16_t>(std::stoul(place)));
  EXPECT_EQ(browser.get(place.substr(place.find('/'))).status, 303);
  return browser;
}

uint16_t TierwebTest::start_for_everybody() {
  const std::string check = place_ / "check.sh";
  std::ofstream(check) << "#!/bin/sh\nread -r password\n[ \"$password\" = secret ]\n";
  fs::permissions(check, kForAll);
  fs::create_directories(place_ / "pam");
  std::ofstream(place_ / "pam/tierweb")
      << "auth [success=1 default=ignore] pam_exec.so expose_authtok quiet " << check
      << "\nauth requisite pam_deny.so\nauth required pam_permit.so\naccount required "
         "pam_permit.so\n";
  uint16_t port = 0;
  {
    const auto listener = http::listen_tcp("127.0.0.1", 0);
    if (!listener) throw std::runtime_error(listener.error().text());
    port = listener->port;
  }
  start_tierweb({"--socket", tier.client().socket_path(), "--listen",
                 "127.0.0.1:" + std::to_string(port), "--user", "nobody", "--runtime-folder",
                 place_ / "run", "--pam-folder", place_ / "pam", "--first-uid", "1"});
  Browser browser(port);
  eventually("tierweb answers", [&] { return browser.get("/").status == 200; });
  return port;
}

int TierwebTest::sign_in(Browser& browser, const std::string& user, const std::string& password) {
  return browser.post("/login", "user=" + user + "&password=" + password).status;
}

int TierwebTest::stop_tierweb() {
  ::kill(tierweb_, SIGTERM);
  const int code = wait_for_exit(std::exchange(tierweb_, -1), 10s);
  EXPECT_EQ(code, 0) << "tierweb did not end well";
  return code;
}

void TierwebTest::kill_tierweb() {
  ::kill(tierweb_, SIGKILL);
  wait_for_exit(std::exchange(tierweb_, -1), 10s);
}

pid_t TierwebTest::worker_of(uid_t uid) {
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file(entry.path() / "cmdline");
    std::string line((std::istreambuf_iterator<char>(file)), {});
    if (!line.starts_with(std::string("tierweb\0--worker\0", 17))) continue;
    const pid_t pid = std::stoi(name);
    const std::string uids = process_status(pid, "Uid");
    if (uids.starts_with(std::to_string(uid) + "\t")) return pid;
  }
  return -1;
}

}  // namespace tierhub::test
