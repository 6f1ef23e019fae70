#include "hub/jobs/ask_agent.h"

#include <csignal>
#include <filesystem>
#include <span>

#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "common/posix.h"
#include "common/spawn.h"

namespace tierhub::hub {
namespace {

constexpr uint64_t kMostBytes = 16 << 20;

std::string beside_this_program(const char* name) {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path() / name;
}

Result<UniqueFd> make_buffer(const char* name) {
  UniqueFd fd(::memfd_create(name, MFD_CLOEXEC));
  if (!fd) return Error::from_errno(errno, "make a buffer");
  return fd;
}

Result<std::string> content_of(const UniqueFd& fd) {
  TRY_ASSIGN(const struct stat st, posix::stat_fd(fd.get()));
  if (static_cast<uint64_t>(st.st_size) > kMostBytes)
    return Error(std::errc::file_too_large, "the answer of tieragent is larger than 16 MiB");
  std::string text(static_cast<size_t>(st.st_size), '\0');
  TRY(posix::read_at(fd.get(), std::as_writable_bytes(std::span(text)), 0));
  return text;
}

}  // namespace

AgentAsker::AgentAsker(std::string program, std::string tierd_socket)
    : program_(program.empty() ? beside_this_program("tieragent") : std::move(program)),
      socket_(tierd_socket.empty() ? "none" : std::move(tierd_socket)) {}

Result<Answer> AgentAsker::ask(const std::vector<std::string>& arguments, const std::string& input,
                               std::chrono::milliseconds time_limit) const {
  TRY_ASSIGN(const UniqueFd in, make_buffer("workflow"));
  TRY_ASSIGN(const UniqueFd out, make_buffer("answer"));
  TRY_ASSIGN(const UniqueFd err, make_buffer("errors"));
  TRY(posix::write_all_at(in.get(), std::as_bytes(std::span(input)), 0));
  SpawnPlan plan;
  plan.program = program_;
  plan.arguments = {"tieragent", "--socket", socket_, "--json"};
  plan.arguments.insert(plan.arguments.end(), arguments.begin(), arguments.end());
  plan.descriptors = {in.get(), out.get(), err.get()};
  plan.folder = "/";
  plan.group = SpawnPlan::Group::own;
  TRY_ASSIGN(const pid_t child, spawn(plan));
  const Result<UniqueFd> process = open_process(child);
  pollfd ended = {process ? process->get() : -1, POLLIN, 0};
  const bool in_time = process && ::poll(&ended, 1, static_cast<int>(time_limit.count())) == 1;
  if (!in_time) ::kill(-child, SIGKILL);
  const int status = wait_for_end(child);
  if (!in_time)
    return Error(std::errc::timed_out, "the answer takes too long: ask for a smaller part");
  Answer answer;
  answer.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  TRY_ASSIGN(answer.out, content_of(out));
  TRY_ASSIGN(answer.err, content_of(err));
  return answer;
}

}  // namespace tierhub::hub
