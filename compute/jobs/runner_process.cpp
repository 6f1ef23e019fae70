#include "compute/jobs/runner_process.h"

#include <cstdlib>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <fmt/format.h>
#include <stdio.h>

#include "common/posix.h"

namespace tierhub::compute {
namespace {

std::vector<std::string> environment_of(const Account& account) {
  const auto kept = [](const char* name, const char* otherwise) {
    const char* value = std::getenv(name);
    return fmt::format("{}={}", name, value == nullptr || *value == '\0' ? otherwise : value);
  };
  return {"HOME=" + account.home, "USER=" + account.name, "LOGNAME=" + account.name,
          kept("PATH", "/usr/local/bin:/usr/bin:/bin"), kept("LANG", "C.UTF-8")};
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> made;
  for (const std::string& text : texts) made.push_back(const_cast<char*>(text.c_str()));
  made.push_back(nullptr);
  return made;
}

// In the child, which has one thread as its parent had: ordinary calls are allowed.
Result<void> become_runner(const Account& account, int slots_fd, int agent_pid) {
  ::setsid();
  if (::geteuid() == 0) TRY(become(account));
  // After the change of user, which would clear it.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
  if (::getppid() != agent_pid) return Error(std::errc::no_child_process, "the agent has exited");
  TRY_ASSIGN(const UniqueFd empty, posix::open_at(AT_FDCWD, "/dev/null", O_RDWR));
  if (::dup2(empty.get(), STDIN_FILENO) < 0 || ::dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
    return Error::from_errno(errno, "dup2");
  }
  // dup2 onto itself would leave close-on-exec set.
  if (slots_fd == kRunnerSlotsFd ? ::fcntl(slots_fd, F_SETFD, 0) < 0
                                 : ::dup2(slots_fd, kRunnerSlotsFd) < 0) {
    return Error::from_errno(errno, "pass the slots");
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (::chdir("/") < 0) return Error::from_errno(errno, "chdir");
  return {};
}

}  // namespace

Result<OwnProgram> OwnProgram::open() {
  OwnProgram program;
  TRY_ASSIGN(program.fd_, posix::open_at(AT_FDCWD, "/proc/self/exe", O_PATH));
  std::string path(4096, '\0');
  const ssize_t n = ::readlink("/proc/self/exe", path.data(), path.size());
  if (n < 0) return Error::from_errno(errno, "readlink /proc/self/exe");
  path.resize(static_cast<size_t>(n));
  program.folder_ = path.substr(0, path.rfind('/'));
  // Away from kRunnerSlotsFd, which is overwritten before the program is executed.
  const int moved = ::fcntl(program.fd_.get(), F_DUPFD_CLOEXEC, kRunnerSlotsFd + 1);
  if (moved < 0) return Error::from_errno(errno, "fcntl");
  program.fd_.reset(moved);
  return program;
}

std::vector<std::string> runner_arguments(const RunnerOptions& options) {
  std::vector<std::string> arguments = {"tieragent",
                                        "--run-as-runner",
                                        "--run=" + options.run,
                                        "--run-folder=" + options.run_folder,
                                        "--run-work=" + options.work,
                                        "--run-root=" + options.root,
                                        "--run-programs=" + options.programs_folder,
                                        fmt::format("--run-workers={}", options.workers)};
  // An option with an empty value would be refused.
  if (!options.socket.empty()) arguments.push_back("--run-socket=" + options.socket);
  if (!options.give_up_reason.empty()) {
    arguments.push_back("--run-give-up=" + options.give_up_reason);
  }
  return arguments;
}

Result<pid_t> start_runner(const OwnProgram& program, const Account& account,
                           const RunnerOptions& options, const UniqueFd& slots) {
  const std::vector<std::string> arguments = runner_arguments(options);
  const std::vector<std::string> environment = environment_of(account);
  const std::vector<char*> argv = pointers(arguments);
  const std::vector<char*> envp = pointers(environment);
  const int agent_pid = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return Error::from_errno(errno, "start a runner");
  if (pid > 0) return pid;
  const Result<void> ready = become_runner(account, slots.get(), agent_pid);
  if (ready) ::execveat(program.fd(), "", argv.data(), envp.data(), AT_EMPTY_PATH);
  const Error why = ready ? Error::from_errno(errno, "execute tieragent") : ready.error();
  static_cast<void>(posix::write_all(STDERR_FILENO, "a runner cannot start: " + why.text() + "\n"));
  ::_exit(126);
}

}  // namespace tierhub::compute
