#include "compute/executors/process.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <functional>
#include <optional>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/posix.h"

namespace tierhub::compute {
namespace {

bool is_executable_file(const std::string& path) {
  struct stat st {};
  return ::stat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode) &&
         ::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0;
}

std::optional<std::string> read_process_file(pid_t pid, const char* name) {
  Result<std::string> text = posix::read_file(fmt::format("/proc/{}/{}", pid, name));
  if (!text) return std::nullopt;
  return *std::move(text);
}

struct ProcessRow {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t group = 0;
  pid_t session = 0;
};

// Field 2 of /proc/N/stat is the program's name, which may hold spaces and parentheses.
std::optional<ProcessRow> read_row(pid_t pid) {
  const std::optional<std::string> text = read_process_file(pid, "stat");
  if (!text) return std::nullopt;
  const size_t end = text->rfind(')');
  if (end == std::string::npos) return std::nullopt;
  ProcessRow row{pid};
  char state = 0;
  if (std::sscanf(text->c_str() + end + 1, " %c %d %d %d", &state, &row.parent, &row.group,
                  &row.session) != 4) {
    return std::nullopt;
  }
  return row;
}

void each_process(const std::function<void(const ProcessRow&)>& use) {
  const Result<UniqueFd> proc = posix::open_at(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY);
  if (!proc) return;
  const Result<std::vector<std::string>> names = posix::list_directory_fd(proc->get());
  if (!names) return;
  for (const std::string& name : *names) {
    pid_t pid = 0;
    const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (failure != std::errc() || end != name.data() + name.size()) continue;
    if (const std::optional<ProcessRow> row = read_row(pid)) use(*row);
  }
}

uint64_t own_memory(pid_t pid) {
  const std::optional<std::string> text = read_process_file(pid, "statm");
  unsigned long long size = 0;
  unsigned long long resident = 0;
  unsigned long long shared = 0;
  if (!text || std::sscanf(text->c_str(), "%llu %llu %llu", &size, &resident, &shared) != 3)
    return 0;
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return resident > shared ? (resident - shared) * page : 0;
}

}  // namespace

Result<Pipe> make_output_pipe() {
  TRY_ASSIGN(Pipe output, make_pipe());
  if (::fcntl(output.read.get(), F_SETFL, O_NONBLOCK) < 0) return Error::from_errno(errno, "fcntl");
  return output;
}

std::string read_now(UniqueFd& output) {
  constexpr size_t kReadsAtOnce = 64;
  std::string text;
  std::array<char, 65536> buffer;
  for (size_t i = 0; output && i < kReadsAtOnce; ++i) {
    const ssize_t n = ::read(output.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (n <= 0) {
      output.reset();
      break;
    }
    text.append(buffer.data(), static_cast<size_t>(n));
  }
  return text;
}

Result<StartedProcess> start_process(const ProcessSpec& spec) {
  TRY_ASSIGN(Pipe output, make_output_pipe());
  TRY_ASSIGN(const pid_t pid,
             start_process(spec, {SpawnPlan::kEmpty, output.write.get(), output.write.get()}));
  return StartedProcess{pid, std::move(output.read)};
}

Result<pid_t> start_process(const ProcessSpec& spec, std::vector<int> descriptors) {
  TRY_ASSIGN(const std::string program, find_program(spec.program, spec.search_path, spec.cwd));
  SpawnPlan plan{program, spec.arguments};
  plan.descriptors = std::move(descriptors);
  plan.environment = spec.environment;
  plan.folder = spec.cwd;
  plan.group = SpawnPlan::Group::own;
  plan.death_signal = SIGKILL;
  plan.cgroups = spec.cgroups;
  return spawn(plan);
}

Result<std::string> find_program(const std::string& name, std::string_view path,
                                 const std::string& cwd) {
  if (name.find('/') != std::string::npos) {
    const std::string file = name.front() == '/' ? name : cwd + "/" + name;
    if (is_executable_file(file)) return file;
    return Error(std::errc::no_such_file_or_directory,
                 fmt::format("'{}' is not a program that this user can run", name));
  }
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find(':', begin), path.size());
    const std::string folder(path.substr(begin, end - begin));
    if (!folder.empty() && is_executable_file(folder + "/" + name)) return folder + "/" + name;
    begin = end + 1;
  }
  return Error(std::errc::no_such_file_or_directory,
               fmt::format("the program '{}' is in none of {}: install it there, or write its path",
                           name, path));
}

std::map<pid_t, uint64_t> memory_of_groups(const std::set<pid_t>& groups) {
  std::map<pid_t, uint64_t> bytes;
  if (groups.empty()) return bytes;
  each_process([&](const ProcessRow& row) {
    if (groups.contains(row.group)) bytes[row.group] += own_memory(row.pid);
  });
  return bytes;
}

void signal_group(pid_t group, int signal) { ::kill(-group, signal); }

void kill_session(pid_t session) {
  each_process([&](const ProcessRow& row) {
    if (row.session == session && row.pid != ::getpid()) ::kill(row.pid, SIGKILL);
  });
}

bool kill_children() {
  for (int i = 0; i < 200; ++i) {
    each_process([&](const ProcessRow& row) {
      if (row.parent == ::getpid()) ::kill(row.pid, SIGKILL);
    });
    pid_t reaped = 0;
    while ((reaped = ::waitpid(-1, nullptr, WNOHANG)) > 0) {
    }
    if (reaped < 0) return true;  // no child is left
    ::poll(nullptr, 0, 10);
  }
  return false;
}

void kill_marked_children(const std::string& variable) {
  const std::string wanted = '\0' + variable + '\0';
  for (int i = 0; i < 200; ++i) {
    bool any = false;
    each_process([&](const ProcessRow& row) {
      // A zombie has no environment any more.
      if (row.parent != ::getpid()) return;
      const std::optional<std::string> environment = read_process_file(row.pid, "environ");
      if (!environment || ('\0' + *environment).find(wanted) == std::string::npos) return;
      any = true;
      ::kill(row.pid, SIGKILL);
    });
    if (!any) return;
    ::poll(nullptr, 0, 10);
  }
}

int keep_only_descriptor(int fd) {
  constexpr int kKept = 3;
  if (fd != kKept && ::dup2(fd, kKept) < 0) ::_exit(126);
  ::syscall(SYS_close_range, kKept + 1, ~0U, 0);
  return kKept;
}

std::string describe_exit(int wait_status) {
  if (WIFEXITED(wait_status)) return fmt::format("exit code {}", WEXITSTATUS(wait_status));
  const int signal = WTERMSIG(wait_status);
  return fmt::format("killed by signal {} ({})", signal, ::strsignal(signal));
}

}  // namespace tierhub::compute
