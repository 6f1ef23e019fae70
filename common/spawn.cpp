#include "common/spawn.h"

#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <spawn.h>

#include "common/posix.h"

namespace tierhub {
namespace {

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// All that the child needs, made before it exists.
struct Prepared {
  std::vector<UniqueFd> descriptors;  // above all the places, which they may be copied to safely
  std::vector<char*> arguments;
  std::vector<char*> environment;
};

Result<Prepared> prepare(const SpawnPlan& plan) {
  Prepared prepared;
  const int places = static_cast<int>(plan.descriptors.size());
  TRY_ASSIGN(const UniqueFd empty, posix::open_at(AT_FDCWD, "/dev/null", O_RDWR));
  for (const int fd : plan.descriptors) {
    const bool closed = fd <= STDERR_FILENO && ::fcntl(fd, F_GETFD) < 0;  // or kEmpty
    prepared.descriptors.emplace_back(::fcntl(closed ? empty.get() : fd, F_DUPFD_CLOEXEC, places));
    if (!prepared.descriptors.back()) return Error::from_errno(errno, "fcntl");
  }
  prepared.arguments = pointers_to(plan.arguments);
  if (plan.environment) prepared.environment = pointers_to(*plan.environment);
  return prepared;
}

int spawn_at_once(const SpawnPlan& plan, const Prepared& prepared, char** environment, pid_t& pid) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  const int places = static_cast<int>(prepared.descriptors.size());
  for (int i = 0; i < places; ++i) {
    const int from = prepared.descriptors[static_cast<size_t>(i)].get();
    ::posix_spawn_file_actions_adddup2(&actions, from, i);
  }
  ::posix_spawn_file_actions_addclosefrom_np(&actions, places);
  if (!plan.folder.empty()) ::posix_spawn_file_actions_addchdir_np(&actions, plan.folder.c_str());
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t signals;
  ::sigemptyset(&signals);
  ::posix_spawnattr_setsigmask(&attributes, &signals);
  ::sigfillset(&signals);
  ::posix_spawnattr_setsigdefault(&attributes, &signals);
  int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
  if (plan.group == SpawnPlan::Group::own) flags |= POSIX_SPAWN_SETPGROUP;
  if (plan.group == SpawnPlan::Group::own_session) flags |= POSIX_SPAWN_SETSID;
  ::posix_spawnattr_setflags(&attributes, static_cast<short>(flags));
  const int code = ::posix_spawnp(&pid, plan.program.c_str(), &actions, &attributes,
                                  prepared.arguments.data(), environment);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  return code;
}

// In the child: tells the parent while that waits, later whoever reads its standard error.
[[noreturn]] void fail(const SpawnPlan& plan, const UniqueFd& report, const Error& why) {
  if (report) {
    const int code = why.errno_value();
    static_cast<void>(!::write(report.get(), &code, sizeof code));
    ::_exit(127);
  }
  static_cast<void>(posix::write_all(
      STDERR_FILENO,
      plan.program + " cannot start as " + plan.account->name + ": " + why.text() + "\n"));
  ::_exit(126);
}

[[noreturn]] void run_child(const SpawnPlan& plan, const Prepared& prepared, char** environment,
                            pid_t parent, UniqueFd report) {
  for (const int cgroup : plan.cgroups) static_cast<void>(!::write(cgroup, "0", 1));
  if (plan.group == SpawnPlan::Group::own) ::setpgid(0, 0);
  if (plan.group == SpawnPlan::Group::own_session) ::setsid();
  const int places = static_cast<int>(prepared.descriptors.size());
  for (int i = 0; i < places; ++i) {
    if (::dup2(prepared.descriptors[static_cast<size_t>(i)].get(), i) < 0)
      fail(plan, report, Error::from_errno(errno, "dup2"));
  }
  ::syscall(SYS_close_range, places, ~0U, CLOSE_RANGE_CLOEXEC);
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (plan.account) {
    report.reset();
    if (const auto became = become(*plan.account); !became) fail(plan, report, became.error());
  }
  // After the change of user, which would clear it.
  ::prctl(PR_SET_PDEATHSIG, plan.death_signal, 0, 0, 0);
  if (plan.death_signal != 0 && ::getppid() != parent) ::_exit(127);
  if (!plan.folder.empty() && ::chdir(plan.folder.c_str()) < 0)
    fail(plan, report, Error::from_errno(errno, "enter " + plan.folder));
  if (plan.program.find('/') != std::string::npos) {
    ::execve(plan.program.c_str(), prepared.arguments.data(), environment);
  } else {
    ::execvpe(plan.program.c_str(), prepared.arguments.data(), environment);
  }
  fail(plan, report, Error::from_errno(errno, "execute it"));
}

Result<int> fork_and_run(const SpawnPlan& plan, const Prepared& prepared, char** environment,
                         pid_t& pid) {
  TRY_ASSIGN(Pipe report, make_pipe());
  // As the others, above the places.
  const int places = static_cast<int>(prepared.descriptors.size());
  report.write.reset(::fcntl(report.write.get(), F_DUPFD_CLOEXEC, places));
  if (!report.write) return errno;
  const pid_t parent = ::getpid();
  pid = ::fork();
  if (pid < 0) return errno;
  if (pid == 0) run_child(plan, prepared, environment, parent, std::move(report.write));
  report.write.reset();
  int code = 0;
  ssize_t n = 0;
  while ((n = ::read(report.read.get(), &code, sizeof code)) < 0 && errno == EINTR) {
  }
  if (n == sizeof code) wait_for_end(pid);
  return code;
}

}  // namespace

Result<pid_t> spawn(const SpawnPlan& plan) {
  if (plan.account) TRY(may_become(*plan.account));
  TRY_ASSIGN(const Prepared prepared, prepare(plan));
  char** const environment =
      plan.environment ? const_cast<char**>(prepared.environment.data()) : environ;
  pid_t pid = -1;
  int code = 0;
  if (plan.account || plan.death_signal != 0 || !plan.cgroups.empty()) {
    TRY_ASSIGN(code, fork_and_run(plan, prepared, environment, pid));
  } else {
    code = spawn_at_once(plan, prepared, environment, pid);
  }
  if (code != 0) return Error::from_errno(code, "start " + plan.program);
  return pid;
}

std::vector<std::string> own_environment() {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable)
    variables.emplace_back(*variable);
  return variables;
}

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) return Error::from_errno(errno, "pipe");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<UniqueFd> open_process(pid_t child) {
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  if (!fd) return Error::from_errno(errno, "watch a process");
  return fd;
}

int wait_for_end(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace tierhub
