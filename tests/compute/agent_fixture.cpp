#include "tests/compute/agent_fixture.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <grp.h>

namespace tierhub::test {
namespace fs = std::filesystem;

void until(const std::string& what, const std::function<bool()>& condition,
           std::chrono::milliseconds deadline) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) throw std::runtime_error("never: " + what);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

std::string read_text(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_text(const std::string& path, const std::string& text) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path) << text;
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

AgentTest::AgentTest() { ::chmod(folder_.path().c_str(), 0755); }

AgentTest::~AgentTest() {
  if (agent_ != 0) {
    signal_agent(SIGTERM);
    wait_for_agent();
  }
}

void AgentTest::spawn(const std::vector<std::string>& more_options, std::optional<uid_t> user,
                      Traced traced) {
  std::vector<std::string> options = {TIERAGENT_PATH, "--watch", at("jobs"), "--work", at("work")};
  for (const auto& [option, value] : {std::pair("--socket", "none"), std::pair("--workers", "2")}) {
    if (std::find(more_options.begin(), more_options.end(), option) == more_options.end())
      options.insert(options.end(), {option, value});
  }
  options.insert(options.end(), more_options.begin(), more_options.end());
  std::vector<char*> argv;
  for (std::string& option : options) argv.push_back(option.data());
  argv.push_back(nullptr);
  const std::string log = at("agent.log");
  agent_ = ::fork();
  if (agent_ > 0) return;
  const int fd = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
  ::dup2(fd, STDOUT_FILENO);
  ::dup2(fd, STDERR_FILENO);
  if (user && (::setgroups(0, nullptr) != 0 || ::setgid(*user) != 0 || ::setuid(*user) != 0)) {
    ::_exit(99);
  }
  if (traced == Traced::yes) ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  ::execv(argv[0], argv.data());
  ::_exit(98);
}

void AgentTest::start_agent(std::vector<std::string> more_options, std::optional<uid_t> user) {
  const size_t before = agent_log().size();
  spawn(more_options, user);
  until("the agent watches",
        [&] { return agent_log().find("tieragent watches", before) != std::string::npos; });
}

void AgentTest::start_agent_until(const std::string& text,
                                  const std::vector<std::string>& more_options) {
  const size_t before = agent_log().size();
  spawn(more_options, {});
  until("the agent says " + text,
        [&] { return agent_log().find(text, before) != std::string::npos; });
}

int AgentTest::start_agent_and_wait(std::vector<std::string> more_options) {
  spawn(more_options, {});
  int status = 0;
  ::waitpid(std::exchange(agent_, 0), &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

pid_t AgentTest::start_traced_agent() {
  spawn({}, {}, Traced::yes);
  return agent_;
}

void AgentTest::signal_agent(int signal) { ::kill(agent_, signal); }

void AgentTest::wait_for_agent() { ::waitpid(std::exchange(agent_, 0), nullptr, 0); }

void AgentTest::drop(const std::string& file, const std::string& text, std::optional<uid_t> user,
                     mode_t mode) {
  const std::string written = at("being-written");
  write_text(written, text);
  ::chmod(written.c_str(), mode);
  if (user && ::chown(written.c_str(), *user, *user) != 0)
    throw std::runtime_error("chown " + written);
  fs::rename(written, jobs("incoming/" + file));
}

EndedRun AgentTest::ended(const std::string& stem) {
  EndedRun found;
  until("the run of " + stem + " ends; " + agent_log(), [&] {
    for (const char* ending : {"done", "failed"}) {
      for (const std::string& name : names_in(jobs(ending))) {
        if (name.starts_with(stem + "-2")) {
          found = {ending, name, jobs(std::string(ending) + "/" + name), {}, "", ""};
        }
      }
    }
    return !found.run.empty();
  });
  found.report = read_text(found.folder + "/REPORT.txt");
  found.log = read_text(found.folder + "/run.log");
  found.status = nlohmann::json::parse(read_text(found.folder + "/status.json"), nullptr, false);
  return found;
}

EndedRun AgentTest::drop_and_wait(const std::string& stem, const std::string& text) {
  drop(stem + ".yaml", text);
  return ended(stem);
}

void AgentTest::expect_no_work_left() {
  until("the work folders are gone", [&] {
    return names_in(at("work")) == std::vector<std::string>{".claims"} &&
           names_in(at("work/.claims")).empty();
  });
}

void AgentTest::write_claim(const std::string& run, const std::string& file,
                            std::optional<uid_t> owner) {
  nlohmann::json claim = {{"tierhub_claim", 1}, {"jobs", at("jobs")}, {"file", file}};
  if (owner) claim["owner"] = {{"uid", *owner}, {"file_gid", *owner}};
  write_text(at("work/.claims/" + run), claim.dump());
}

std::string AgentTest::running(const std::string& stem) {
  std::string found;
  until("the run of " + stem + " begins; " + agent_log(), [&] {
    for (const std::string& name : names_in(jobs("running"))) {
      if (name.starts_with(stem + "-2")) found = jobs("running/" + name);
    }
    return !found.empty();
  });
  return found;
}

}  // namespace tierhub::test
